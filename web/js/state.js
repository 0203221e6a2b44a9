// SPDX-License-Identifier: GPL-2.0-or-later
//
// The model of the page and its only changes: snapshots (REST) and events, both pure functions from a
// model to a new one. No document, no network, no clock.
//
// A snapshot reflects a point of the event stream. Each subject remembers the sequence number it
// stands at, and an event that is not later is ignored: a replay can be applied over a fresh snapshot
// without going back in time. Events carry less than the resource, so whatever moves a job also marks
// it stale, and main.js fetches it.
//
// `live` holds what is going on inside a job, by job and copy: phase, cancel and the data of the last
// progress event of each kind.

export const TERMINAL = ['completed', 'completed_with_failures', 'failed', 'canceled'];
const COPY_TERMINAL = ['done', 'failed', 'canceled', 'skipped'];
const PROGRESS = ['stage', 'block', 'track', 'file', 'verify', 'read', 'erase', 'sync'];

export function emptyModel() {
    return {
        epoch: null, info: null, loaded: false, shuttingDown: false,
        recorders: {}, jobs: {}, attention: {}, live: {},
        seen: {}, stale: {}, recordersStale: false, olderJobs: null,
    };
}

export function isTerminal(state) {
    return TERMINAL.includes(state);
}

/* "EPOCH:SEQ" → {epoch, seq}; unknown → seq -1, before every event. */
export function parseSeq(text) {
    const colon = text ? text.lastIndexOf(':') : -1;
    const seq = colon < 0 ? NaN : Number(text.slice(colon + 1));
    return Number.isFinite(seq) ? { epoch: text.slice(0, colon), seq } : { epoch: null, seq: -1 };
}

/* ---- snapshots ---- */

/* Everything anew. Each argument is an answer {data, seq}. */
export function fromSnapshots({ info, recorders, jobs, attention }) {
    const model = emptyModel();
    model.loaded = true;
    model.info = info.data;
    model.epoch = parseSeq(recorders.seq).epoch;
    model.recorders = byId(recorders.data.items);
    model.jobs = byId(jobs.data.items);
    model.attention = byId(attention.data.items);
    model.olderJobs = jobs.data.next_cursor ?? null;
    model.seen = {
        recorders: parseSeq(recorders.seq).seq,
        jobs: parseSeq(jobs.seq).seq,
        attention: parseSeq(attention.seq).seq,
    };
    for (const job of jobs.data.items) {
        if (!isTerminal(job.state)) {
            model.live[job.id] = liveFromActive(job, {});
        }
    }
    return model;
}

/* One job as GET /jobs/{id} gave it, with its progress or null. An answer older than an event that was
 * applied meanwhile would go back in time: the job stays stale and is fetched again. */
export function withJob(model, { data: job, seq }, progress = null) {
    const at = parseSeq(seq).seq;
    if (at >= 0 && at < (model.seen[`job:${job.id}`] ?? -1)) {
        return { ...model, stale: { ...model.stale, [job.id]: true } };
    }
    const live = { ...model.live };
    if (isTerminal(job.state)) {
        delete live[job.id];
    } else {
        live[job.id] = liveFromActive(job, live[job.id] ?? {});
    }
    const next = {
        ...model, jobs: { ...model.jobs, [job.id]: job }, live, stale: without(model.stale, job.id),
    };
    next.seen = { ...model.seen, [`job:${job.id}`]: Math.max(at, model.seen[`job:${job.id}`] ?? -1) };
    return progress && !isTerminal(job.state) ? withProgress(next, progress) : next;
}

/* GET /jobs/{id}/progress: the job's percent, and what was missed of each copy. */
export function withProgress(model, { data, seq }) {
    const job = model.jobs[data.job];
    if (!job || isTerminal(job.state)) {
        return model;
    }
    const at = parseSeq(seq).seq;
    const copies = { ...model.live[data.job] };
    for (const given of data.copies ?? []) {
        if (COPY_TERMINAL.includes(given.state)) {
            delete copies[given.copy];
            continue;
        }
        const old = copies[given.copy] ?? {};
        if ((old.attempt ?? 0) > (given.attempt ?? 0) || given.phase === undefined) {
            continue;
        }
        const fresh = { ...old, attempt: given.attempt, recorder: given.recorder, percent: given.percent };
        if (at < 0 || at >= (old.seq ?? -1)) {
            fresh.phase = given.phase;
            fresh.cancel = given.cancel;
            for (const kind of PROGRESS) {
                fresh[kind] = given[kind] ?? null;
            }
        }
        copies[given.copy] = fresh;
    }
    const next = {
        ...model,
        jobs: { ...model.jobs, [job.id]: { ...job, percent: data.percent, eta_s: data.eta_s } },
        live: { ...model.live, [job.id]: copies },
    };
    if (data.state !== job.state) {
        next.stale = { ...model.stale, [job.id]: true };
    }
    return next;
}

export function withOlderJobs(model, { data }) {
    return { ...model, jobs: { ...byId(data.items), ...model.jobs }, olderJobs: data.next_cursor ?? null };
}

export function withRecorders(model, { data, seq }) {
    const at = parseSeq(seq).seq;
    const recorders = byId(data.items);
    for (const [id, recorder] of Object.entries(model.recorders)) {
        if (at >= 0 && (model.seen[`recorder:${id}`] ?? -1) > at) {
            recorders[id] = recorder;
        }
    }
    return { ...model, recorders, recordersStale: false, seen: { ...model.seen, recorders: at } };
}

/* The answer of an action (eject, rescan): the resource as it now is. */
export function withRecorder(model, { data, seq }) {
    const at = parseSeq(seq).seq;
    if (at >= 0 && at < stands(model, 'recorders', `recorder:${data.id}`)) {
        return model;
    }
    return { ...model, recorders: { ...model.recorders, [data.id]: data } };
}

export function withoutJob(model, id) {
    return {
        ...model,
        jobs: without(model.jobs, id), live: without(model.live, id), stale: without(model.stale, id),
    };
}

/* ---- events ---- */

export function reduce(model, event) {
    const handler = HANDLERS[event.type] ?? (event.type.startsWith('progress.') ? progress : null);
    return handler ? handler(model, event) : model;
}

const HANDLERS = {
    'job.created': jobCreated,
    'job.state': jobState,
    'job.updated': jobState,
    'job.deleted': jobDeleted,
    'copy.state': copyState,
    'attempt.phase': attemptPhase,
    'recorder.added': recorderChanged,
    'recorder.state': recorderChanged,
    'recorder.removed': recorderChanged,
    'medium.inserted': mediumChanged,
    'medium.changed': mediumChanged,
    'medium.removed': mediumChanged,
    'attention.raised': attentionRaised,
    'attention.updated': attentionRaised,
    'attention.cleared': attentionCleared,
    'server.shutting_down': (model) => ({ ...model, shuttingDown: true }),
};

function jobCreated(model, event) {
    if (isOld(model, event, 'jobs', `job:${event.job}`) || model.jobs[event.job]) {
        return moved(model, event);
    }
    const job = {
        percent: null, created_at: event.time, reasons: [], problem: null, ...event.data, id: event.job,
    };
    return moved({ ...model, jobs: { ...model.jobs, [event.job]: job } }, event);
}

function jobState(model, event) {
    const key = `job:${event.job}`;
    if (isOld(model, event, 'jobs', key)) {
        return model;
    }
    const job = model.jobs[event.job];
    if (!job) {
        return moved(model, event);
    }
    const { to, reasons, problem, needs_person: needsPerson } = event.data ?? {};
    const next = { ...job };
    assignGiven(next, { state: to, reasons, problem, needs_person: needsPerson });
    const result = moved({ ...model, jobs: { ...model.jobs, [event.job]: next } }, event);
    if (isTerminal(next.state)) {
        result.live = without(model.live, event.job);
    }
    return result;
}

function jobDeleted(model, event) {
    return withoutJob(model, event.job);
}

function copyState(model, event) {
    if (isOld(model, event, 'jobs', `job:${event.job}`)) {
        return model;
    }
    const next = moved(model, event);
    if (event.copy === null || event.copy === undefined) {
        return next;
    }
    const { to, attempt, recorder, reasons } = event.data;
    const copies = { ...model.live[event.job] };
    if (COPY_TERMINAL.includes(to)) {
        delete copies[event.copy];
    } else {
        const old = copies[event.copy] ?? {};
        copies[event.copy] = {
            ...old, state: to, attempt: attempt ?? old.attempt ?? null,
            recorder: recorder ?? old.recorder ?? null, reasons: reasons ?? [],
        };
    }
    return { ...next, live: { ...model.live, [event.job]: copies } };
}

function attemptPhase(model, event) {
    if (isOld(model, event, 'jobs', `job:${event.job}`)) {
        return model;
    }
    const copy = copyOf(model, event);
    const { phase, cancel = null, expected_s: expected = null } = event.data;
    return withCopy(moved(model, event), event, { ...copy, phase, cancel, expected_s: expected });
}

function progress(model, event) {
    const kind = event.type.slice('progress.'.length);
    if (!event.job || event.copy === null || isTerminal(model.jobs[event.job]?.state)) {
        return model;
    }
    const copy = copyOf(model, event);
    if ((event.attempt ?? 0) < (copy.attempt ?? 0) || event.seq <= (copy.seq ?? -1)) {
        return model;
    }
    if (kind === 'block' && event.data.scope === 'track') {
        return withCopy(model, event, { ...copy, track_block: event.data });
    }
    return withCopy(model, event, { ...copy, [kind]: event.data });
}

function recorderChanged(model, event) {
    const key = `recorder:${event.recorder}`;
    if (isOld(model, event, 'recorders', key)) {
        return model;
    }
    return {
        ...model,
        recorders: { ...model.recorders, [event.recorder]: event.data },
        recordersStale: model.recordersStale || event.type === 'recorder.removed',
        seen: { ...model.seen, [key]: event.seq },
    };
}

function mediumChanged(model, event) {
    const key = `recorder:${event.recorder}`;
    const recorder = model.recorders[event.recorder];
    if (!recorder || isOld(model, event, 'recorders', key)) {
        return model;
    }
    const medium = event.type === 'medium.removed' ? null : event.data;
    return {
        ...model,
        recorders: { ...model.recorders, [event.recorder]: { ...recorder, medium } },
        seen: { ...model.seen, [key]: event.seq },
    };
}

function attentionRaised(model, event) {
    if (isOld(model, event, 'attention', `attention:${event.data.id}`)) {
        return model;
    }
    return {
        ...model,
        attention: { ...model.attention, [event.data.id]: event.data },
        seen: { ...model.seen, [`attention:${event.data.id}`]: event.seq },
    };
}

function attentionCleared(model, event) {
    if (isOld(model, event, 'attention', `attention:${event.data.id}`)) {
        return model;
    }
    return {
        ...model,
        attention: without(model.attention, event.data.id),
        seen: { ...model.seen, [`attention:${event.data.id}`]: event.seq },
    };
}

/* ---- views of the model ---- */

/* Jobs that are not over first, then newest first; ids sort by time. */
export function jobList(model) {
    return Object.values(model.jobs).sort((a, b) => {
        const over = Number(isTerminal(a.state)) - Number(isTerminal(b.state));
        return over || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
    });
}

export function recorderList(model) {
    return Object.values(model.recorders).sort((a, b) => (a.id < b.id ? -1 : 1));
}

const SEVERITY = { error: 0, warning: 1, info: 2 };

export function attentionList(model) {
    return Object.values(model.attention).sort((a, b) =>
        (SEVERITY[a.severity] ?? 3) - (SEVERITY[b.severity] ?? 3) || (a.id < b.id ? -1 : 1));
}

/* Copies of a job that are under way: [{copy, phase, cancel, …}] in order. */
export function activeCopies(model, jobId) {
    return Object.entries(model.live[jobId] ?? {})
        .map(([copy, live]) => ({ copy: Number(copy), ...live }))
        .filter((live) => live.phase && live.phase !== 'ended')
        .sort((a, b) => a.copy - b.copy);
}

/* What a cancel would do now, the worst of all copies: impossible, ruins_disc, safe. */
export function cancelEffect(model, jobId) {
    const effects = activeCopies(model, jobId).map((copy) => copy.cancel);
    return ['ruins_disc', 'impossible'].find((effect) => effects.includes(effect)) ?? 'safe';
}

/* What a copy's bar shows: {kind, data, percent} of its phase; percent null = busy, but nobody knows. */
export function phaseProgress(live) {
    const kind = {
        stage: 'stage', calibrate: 'block', write_leadin: 'block', write: 'block',
        verify: 'verify', read: 'read', blank: 'erase', format: 'erase',
    }[live.phase] ?? null;
    const data = kind ? live[kind] ?? null : null;
    return { kind, data, percent: data?.percent ?? null };
}

/* For document.title: {percent, name, more}, or null when nothing is burnt. */
export function headline(model) {
    const running = jobList(model).filter((job) => job.state === 'running');
    if (running.length === 0) {
        return null;
    }
    const job = running[running.length - 1];
    return { job, percent: job.percent ?? null, more: running.length - 1 };
}

/* ---- small ones ---- */

function byId(items) {
    return Object.fromEntries(items.map((item) => [item.id, item]));
}

function without(object, key) {
    const { [key]: _gone, ...rest } = object;
    return rest;
}

function stands(model, list, key) {
    return Math.max(model.seen[list] ?? -1, model.seen[key] ?? -1);
}

function isOld(model, event, list, key) {
    return event.seq <= stands(model, list, key);
}

function moved(model, event) {
    const key = `job:${event.job}`;
    return {
        ...model,
        seen: { ...model.seen, [key]: Math.max(event.seq, model.seen[key] ?? -1) },
        stale: { ...model.stale, [event.job]: true },
    };
}

function assignGiven(target, values) {
    for (const [name, value] of Object.entries(values)) {
        if (value !== undefined) {
            target[name] = value;
        }
    }
}

/* The copy an event is about; a new attempt begins with nothing. */
function copyOf(model, event) {
    const copy = model.live[event.job]?.[event.copy] ?? {};
    const attempt = event.attempt ?? copy.attempt ?? null;
    return attempt > (copy.attempt ?? 0)
        ? { state: copy.state, recorder: event.recorder ?? copy.recorder, attempt }
        : { ...copy, recorder: event.recorder ?? copy.recorder };
}

function withCopy(model, event, copy) {
    const copies = { ...model.live[event.job], [event.copy]: { ...copy, seq: event.seq } };
    return { ...model, live: { ...model.live, [event.job]: copies } };
}

/* `active` of a job's answer, without losing the details that events brought. */
function liveFromActive(job, old) {
    const copies = {};
    for (const active of job.active ?? []) {
        const known = old[active.copy] ?? {};
        const same = (known.attempt ?? null) === (active.attempt ?? null);
        copies[active.copy] = {
            ...(same ? known : {}),
            state: active.state, recorder: active.recorder, attempt: active.attempt,
            phase: active.phase ?? (same ? known.phase : null) ?? null,
            cancel: active.cancel ?? (same ? known.cancel : null) ?? null,
        };
    }
    return copies;
}
