// SPDX-License-Identifier: GPL-2.0-or-later
//
// The inside of a job: copies, their attempts with phases and outcome, and the log. Fetched when it is
// opened, and again when the job moved while it is open.

import { el, setText, show } from './dom.js';
import * as format from './format.js';
import { problemNode } from './problem.js';
import { get } from './server.js';
import * as words from './words.js';

const COPIES = 20;
const LOG_LINES = 200;
const SETTLE_MS = 400;

export function makeJobDetail(id) {
    const facts = el('p', { class: 'facts' }, el('code', {}, id));
    const copies = el('div', { class: 'copies' });
    const log = el('pre', { class: 'log', tabindex: 0, 'aria-label': 'Log' });
    const logHeading = el('h4', {}, 'Log');
    const trouble = el('div', { role: 'alert' });
    const node = el('div', { class: 'detail', id: `${id}-detail`, hidden: true },
        facts, copies, logHeading, log, trouble);
    let open = false;
    let shownAt = null;
    let timer = null;
    let loading = false;
    let again = false;

    function toggle(nowOpen, model) {
        open = nowOpen;
        show(node, open);
        shownAt = null;
        update(model);
    }

    /* Cheap when nothing moved: compares the job's point in the event stream. */
    function update(model) {
        const at = `${model.seen[`job:${id}`] ?? 0}/${model.jobs[id]?.state}/${model.epoch}`;
        if (!open || at === shownAt) {
            return;
        }
        const first = shownAt === null;
        shownAt = at;
        clearTimeout(timer);
        timer = setTimeout(load, first ? 0 : SETTLE_MS, model);
    }

    async function load(model) {
        if (loading) {
            again = true;
            return;
        }
        loading = true;
        try {
            const list = (await get(`jobs/${id}/copies`, { limit: COPIES })).data;
            const attempts = await Promise.all(list.items.map(async (copy) =>
                (copy.attempts > 0 || copy.attempts === undefined || Array.isArray(copy.attempts)
                    ? (await get(`jobs/${id}/copies/${copy.copy}/attempts`)).data.items : [])));
            copies.replaceChildren(
                ...list.items.map((copy, index) => copyNode(copy, attempts[index], model)));
            if (list.next_cursor) {
                copies.append(el('p', { class: 'note' }, `The first ${COPIES} copies are shown.`));
            }
            const lines = logLines((await get(`jobs/${id}/log`)).data);
            const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
            setText(log, lines.join('\n') || 'Nothing was logged.');
            if (atEnd) {
                log.scrollTop = log.scrollHeight;
            }
            trouble.replaceChildren();
        } catch (error) {
            trouble.replaceChildren(problemNode(error.problem ?? { detail: error.message }));
        } finally {
            loading = false;
            if (again) {
                again = false;
                load(model);
            }
        }
    }

    return { node, toggle, update };
}

function copyNode(copy, attempts, model) {
    const recorder = words.recorderName(model.recorders[copy.recorder]) ?? copy.recorder;
    return el('section', { class: 'copy', 'data-copy': copy.copy, 'data-state': copy.state },
        el('h4', {}, `Copy ${copy.copy} `,
            el('span', { class: `state ${copy.state}` }, words.plain(copy.state)),
            recorder ? ` ${recorder}` : ''),
        ...attempts.map((attempt) => attemptNode(attempt, model)),
        attempts.length === 0 && copy.problem ? problemNode(copy.problem) : '');
}

function attemptNode(attempt, model) {
    const recorder = words.recorderName(model.recorders[attempt.recorder]) ?? attempt.recorder;
    const facts = [
        `Attempt ${attempt.attempt}`, recorder,
        attempt.outcome ? words.outcome(attempt.outcome) : null,
        attempt.outcome && attempt.advice ? words.advice(attempt.advice) : null,
        attempt.speed?.effective ? format.speed(attempt.speed.effective) : null,
        attempt.disc,
    ].filter(Boolean).join(' · ');
    const phases = (attempt.phases ?? []).filter((entry) => entry.phase !== 'ended').map((entry) => {
        const seconds = format.secondsBetween(entry.started_at, entry.ended_at);
        return el('li', { 'data-phase': entry.phase, class: entry.ended_at ? 'past' : 'now' },
            words.phase(entry.phase), el('span', { class: 'phase-time' },
                entry.ended_at ? format.duration(seconds) : 'now'));
    });
    return el('div', { class: 'attempt', 'data-attempt': attempt.attempt, 'data-outcome': attempt.outcome },
        el('p', {}, facts), phases.length > 0 ? el('ol', { class: 'phases' }, ...phases) : null,
        attempt.problem ? problemNode(attempt.problem) : null);
}

/* The last lines: a list of {time, level, text}, or text with the time first. */
function logLines(log) {
    if (typeof log === 'string') {
        return log.split('\n').filter(Boolean).slice(-LOG_LINES)
            .map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z/, (time) => format.clock(time)));
    }
    return (log?.items ?? []).slice(-LOG_LINES).map((entry) => [
        format.clock(entry.time), entry.level === 'info' ? null : entry.level,
        entry.copy > 0 ? `copy ${entry.copy}` : null, entry.text,
    ].filter(Boolean).join('  '));
}
