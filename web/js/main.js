// SPDX-License-Identifier: GPL-2.0-or-later
//
// Puts the page together: one model, changed by snapshots and events, drawn at most once a frame. The
// parts draw from the model and ask through the callbacks given to them; none keeps state that the
// server has.

import { makeAttention } from './attention.js';
import { announce, setAttribute, setText, show } from './dom.js';
import * as format from './format.js';
import { makeJobs } from './jobs.js';
import { Live } from './live.js';
import { makeNewJob } from './new_job.js';
import { makeRecorders } from './recorders.js';
import { eventsUrl, get, post } from './server.js';
import * as state from './state.js';
import * as words from './words.js';

const JOBS_PAGE = 25;
const FETCH_PAUSE_MS = 120;
const FETCH_RETRY_MS = 3000;
const PERCENT_EVERY_MS = 1000;
const HIDDEN_DRAW_MS = 500;

let model = state.emptyModel();
let drawPending = false;

const drawRecorders = makeRecorders({ act: actOnRecorder });
const jobs = makeJobs({ act: actOnJob, older: loadOlder });
const newJob = makeNewJob({ started: jobStarted });
const drawAttention = makeAttention({
    resolve: (id, action) => post(`attention/${encodeURIComponent(id)}/resolve`, { action }),
});

/* ---- drawing ---- */

/* The only way to change the model. It takes a function, so that nobody computes from a model that was
 * read before an await and undoes what happened meanwhile. */
function change(update) {
    const next = update(model);
    if (next === model) {
        return;
    }
    tellChanges(model, next);
    model = next;
    if (!drawPending) {
        drawPending = true;
        /* A hidden tab gets no frames, but its title is what people look at. */
        if (document.hidden) {
            setTimeout(draw, HIDDEN_DRAW_MS);
        } else {
            requestAnimationFrame(draw);
        }
    }
}

function draw() {
    drawPending = false;
    setText(document.getElementById('station'), model.info?.station);
    setText(document.getElementById('version'), model.info?.version ? `version ${model.info.version}` : '');
    drawAttention(model);
    drawRecorders(model);
    jobs.render(model);
    if (model.loaded) {
        newJob.render(model);
    }
    drawTitle();
    drawBanner();
}

function drawTitle() {
    const head = state.headline(model);
    const prefix = head ? `${head.percent === null ? '' : `${format.percent(head.percent)} · `}${
        words.jobName(head.job)}${head.more > 0 ? ` and ${head.more} more` : ''} – ` : '';
    const title = `${prefix}burnd${model.info?.station ? ` · ${model.info.station}` : ''}`;
    if (document.title !== title) {
        document.title = title;
    }
}

/* Changes of state are said aloud, percents are not. */
function tellChanges(before, after) {
    if (!before.loaded || before.jobs === after.jobs) {
        return;
    }
    for (const job of Object.values(after.jobs)) {
        const old = before.jobs[job.id];
        if (old && old.state !== job.state) {
            announce(`${words.jobName(job)}: ${words.plain(job.state)}${
                job.problem?.detail ? `. ${job.problem.detail}` : ''}`);
        }
    }
}

/* ---- loading ---- */

/* All of it anew. The cursor is the earliest point of the answers: what is replayed twice is ignored. */
async function load() {
    const [info, recorders, jobList, attention] = await Promise.all([
        get('info'), get('recorders', { limit: 500 }), get('jobs', { limit: JOBS_PAGE }),
        get('attention', { limit: 500 })]);
    const points = [recorders, jobList, attention].map((answer) => state.parseSeq(answer.seq));
    const epoch = points[0].epoch;
    const next = state.fromSnapshots({ info, recorders, jobs: jobList, attention });
    for (const job of state.jobList(next)) {
        if (!state.isTerminal(job.state)) {
            next.stale[job.id] = true;
        }
    }
    /* Jobs further down the list may still be under way. */
    if (jobList.data.next_cursor) {
        const open = await get('jobs',
            { limit: 500, state: 'queued,held,preparing,waiting,running,canceling' });
        for (const job of open.data.items) {
            if (!next.jobs[job.id]) {
                next.jobs[job.id] = job;
                next.stale[job.id] = true;
            }
        }
    }
    return {
        cursor: points.some((point) => point.epoch === null || point.epoch !== epoch) ? null
            : `${epoch}:${Math.min(...points.map((point) => point.seq))}`,
        apply() {
            change(() => next);
            fetchStale();
        },
    };
}

async function loadOlder() {
    const answer = await get('jobs', { limit: JOBS_PAGE, cursor: model.olderJobs });
    change((now) => state.withOlderJobs(now, answer));
}

let fetchTimer = null;
let fetching = false;

function fetchStaleSoon(pause = FETCH_PAUSE_MS) {
    if (fetchTimer === null && !fetching) {
        fetchTimer = setTimeout(() => {
            fetchTimer = null;
            fetchStale();
        }, pause);
    }
}

/* Events say that a job moved; this gets what it is now. */
async function fetchStale() {
    if (fetching) {
        return;
    }
    fetching = true;
    let pause = null;
    try {
        if (model.recordersStale) {
            const answer = await get('recorders', { limit: 500 });
            change((now) => state.withRecorders(now, answer));
        }
        for (const id of Object.keys(model.stale)) {
            await fetchJob(id);
        }
    } catch {
        pause = FETCH_RETRY_MS; /* the banner tells when burnd is away; a single failure is tried again */
    } finally {
        fetching = false;
    }
    if (model.recordersStale || Object.keys(model.stale).length > 0) {
        fetchStaleSoon(pause ?? FETCH_PAUSE_MS);
    }
}

async function fetchJob(id) {
    try {
        const job = await get(`jobs/${id}`);
        const progress = state.isTerminal(job.data.state) ? null : await get(`jobs/${id}/progress`);
        change((now) => state.withJob(now, job, progress));
    } catch (error) {
        if (error.status === 404) {
            change((now) => state.withoutJob(now, id));
        } else {
            throw error;
        }
    }
}

/* The percent of a whole job covers all its phases; only the server can weigh them. */
async function refreshPercents() {
    if (live.state === 'live') {
        const running = Object.values(model.jobs)
            .filter((job) => ['running', 'canceling'].includes(job.state));
        for (const job of running) {
            try {
                const answer = await get(`jobs/${job.id}/progress`);
                change((now) => state.withProgress(now, answer));
            } catch {
                break;
            }
        }
    }
    if (Object.keys(model.stale).length > 0) {
        fetchStaleSoon();
    }
    setTimeout(refreshPercents, PERCENT_EVERY_MS);
}

/* ---- acting ---- */

async function actOnRecorder(id, verb) {
    const answer = await post(`recorders/${encodeURIComponent(id)}/${verb}`);
    if (answer.data?.id) {
        change((now) => state.withRecorder(now, answer));
    }
}

async function actOnJob(id, verb, body) {
    const answer = await post(`jobs/${id}/${verb}`, body);
    if (answer.data?.id) {
        change((now) => state.withJob(now, answer));
    }
}

function jobStarted(answer) {
    change((now) => state.withJob(now, answer));
    announce(`Job ${words.jobName(answer.data)} is ${words.plain(answer.data.state)}.`);
    draw();
    jobs.focus(answer.data.id);
}

/* ---- the connection ---- */

const connection = { state: 'connecting', retryAt: null, error: null, everLive: false, saidLost: false };
let countdown = null;

const live = new Live({
    url: eventsUrl,
    load,
    event(event) {
        change((now) => state.reduce(now, event));
        if (model.recordersStale || Object.keys(model.stale).length > 0) {
            fetchStaleSoon();
        }
    },
    status(next, { retryInS = null, error = null } = {}) {
        connection.state = next;
        connection.retryAt = retryInS === null ? null : Date.now() + retryInS * 1000;
        connection.error = error ?? connection.error;
        clearInterval(countdown);
        if (next === 'lost') {
            countdown = setInterval(drawBanner, 500);
            if (!connection.saidLost && connection.everLive) {
                announce('The connection to burnd is lost. What is shown may be old.');
                connection.saidLost = true;
            }
        } else if (next === 'live') {
            if (connection.saidLost) {
                announce('Connected again.');
            }
            if (connection.everLive) {
                catchUp();
            }
            Object.assign(connection, { everLive: true, saidLost: false, error: null });
            change((now) => ({ ...now, shuttingDown: false }));
        }
        drawBanner();
    },
});

/* What no event tells: another version, other folders. */
async function catchUp() {
    newJob.refresh();
    try {
        const info = await get('info');
        change((now) => ({ ...now, info: info.data }));
    } catch {
        /* the next connection asks again */
    }
}

/* Stays up while trying again, so that it does not blink; goes when the state is known again. */
function drawBanner() {
    setAttribute(document.body, 'data-connection', connection.state);
    setText(document.getElementById('connection-text'), connection.state === 'live' ? 'live'
        : connection.state === 'lost' ? 'not connected' : 'connecting');
    const banner = document.getElementById('banner');
    const away = connection.state !== 'live' && (connection.error !== null || connection.state === 'lost');
    const refused = connection.error?.status ? connection.error : null;
    let text = '';
    if (away) {
        const seconds = connection.retryAt === null ? 0 : Math.ceil((connection.retryAt - Date.now()) / 1000);
        const what = refused ? `burnd refuses: ${refused.detail}`
            : model.shuttingDown ? 'burnd was shut down'
                : connection.everLive ? 'Connection lost' : 'burnd can not be reached';
        text = connection.state === 'lost' && seconds > 0
            ? `${what} – trying again in ${seconds} s` : `${what} – trying again …`;
        if (connection.everLive) {
            text += '. What is shown may be old.';
        }
    } else if (model.shuttingDown) {
        text = 'burnd is shutting down: burns under way are finished, nothing new is started.';
    }
    setText(document.getElementById('banner-text'), text);
    show(document.getElementById('banner-retry'), away);
    show(banner, text !== '');
}

document.getElementById('banner-retry').addEventListener('click', () => live.nudge());
window.addEventListener('online', () => live.nudge());
document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
        live.nudge();
        if (drawPending) {
            draw();
        }
    }
});

live.start();
setTimeout(refreshPercents, PERCENT_EVERY_MS);
