// SPDX-License-Identifier: GPL-2.0-or-later
//
// The jobs: those under way first, then newest first. A job says it is done only when its state says
// `completed`; a full bar never does.

import { ask } from './dialog.js';
import { el, keyed, rebuild, setAttribute, setState, setText, show } from './dom.js';
import * as format from './format.js';
import { makeJobDetail } from './job_detail.js';
import { problemNode, warningNodes } from './problem.js';
import { makeProgress } from './progress.js';
import { activeCopies, cancelEffect, isTerminal, jobList } from './state.js';
import * as words from './words.js';

const BARS = 6;

/* act(job id, verb, body) → Promise; older() → Promise. Gives {render(model), focus(id)}. */
export function makeJobs({ act, older }) {
    const list = document.getElementById('job-list');
    const empty = document.getElementById('jobs-empty');
    const more = document.getElementById('jobs-more');
    let model = null;

    more.addEventListener('click', async () => {
        more.disabled = true;
        try {
            await older();
        } finally {
            more.disabled = false;
        }
    });

    function render(next) {
        model = next;
        const jobs = jobList(model);
        keyed(list, jobs, (job) => job.id, (job) => makeJob(job.id, () => model, act));
        show(empty, model.loaded && jobs.length === 0);
        show(more, model.olderJobs !== null);
    }

    function focus(id) {
        const node = document.getElementById(id);
        node?.scrollIntoView({ block: 'nearest' });
        node?.focus({ preventScroll: true });
    }

    return { render, focus };
}

function makeJob(id, modelNow, act) {
    const name = el('h3');
    const state = el('span', { class: 'state' });
    const overall = el('span', { class: 'overall' });
    const about = el('p', { class: 'about' });
    const result = el('p', { class: 'result' });
    const bars = el('div', { class: 'bars' });
    const reasons = el('ul', { class: 'reasons' });
    const warnings = el('ul', { class: 'warnings' });
    const problem = el('div', { class: 'job-problem' });
    const trouble = el('div', { role: 'alert' });
    const cancel = el('button', { type: 'button', class: 'cancel', on: { click: onCancel } }, 'Cancel');
    const retry = el('button', { type: 'button', class: 'retry', on: { click: onRetry } }, 'Try again');
    const details = el('button', {
        type: 'button', class: 'details', 'aria-expanded': 'false', 'aria-controls': `${id}-detail`,
        on: { click: onDetails },
    }, 'Details');
    const detail = makeJobDetail(id);
    const node = el('article', { class: 'card job', id, 'data-job': id, tabindex: -1 },
        el('header', {}, name, overall, state), about, result, bars, reasons, problem, warnings, trouble,
        el('div', { class: 'actions' }, cancel, retry, details), detail.node);

    async function run(button, verb, body) {
        trouble.replaceChildren();
        setAttribute(button, 'aria-busy', 'true');
        try {
            await act(id, verb, body);
        } catch (error) {
            trouble.replaceChildren(problemNode(error.problem ?? { detail: error.message }));
        } finally {
            setAttribute(button, 'aria-busy', null);
        }
    }

    async function onCancel() {
        const question = cancelQuestion(modelNow(), id);
        if (question === null || await ask(question)) {
            await run(cancel, 'cancel');
        }
    }

    function onRetry() {
        const canceled = modelNow().jobs[id].state === 'canceled';
        run(retry, 'retry', { copies: canceled ? 'all_unfinished' : 'failed' });
    }

    function onDetails() {
        const open = details.getAttribute('aria-expanded') !== 'true';
        setAttribute(details, 'aria-expanded', String(open));
        detail.toggle(open, modelNow());
    }

    function update(job) {
        const model = modelNow();
        const over = isTerminal(job.state);
        const label = words.jobName(job);
        setAttribute(node, 'data-state', job.state);
        setAttribute(node, 'aria-label', `Job ${label}`);
        setText(name, label);
        setState(state, job.state);
        const percent = ['running', 'canceling'].includes(job.state) ? job.percent ?? null : null;
        setAttribute(node, 'data-percent', percent === null ? null : format.wholePercent(percent));
        setText(overall, percent === null ? '' : `${format.percent(percent)} in all`);
        setText(about, aboutOf(job, model));
        setText(result, resultOf(job));
        show(result, result.textContent !== '');

        const copies = over ? [] : activeCopies(model, id);
        keyed(bars, copies.slice(0, BARS), (copy) => copy.copy, () => {
            const progress = makeProgress();
            return {
                node: progress.node,
                update: (copy) => progress.update(copy, job.copies === 1 ? '' : `Copy ${copy.copy}: `),
            };
        });
        rebuild(reasons, over ? [] : [job.reasons, job.reason_details],
            () => (over ? [] : reasonNodes(job, model)));
        show(reasons, reasons.childElementCount > 0);
        rebuild(problem, job.problem ?? null, () => (job.problem ? [problemNode(job.problem)] : []));
        rebuild(warnings, job.warnings ?? [], () => warningNodes(job.warnings));
        show(warnings, warnings.childElementCount > 0);

        show(cancel, !over);
        setAttribute(cancel, 'disabled', job.state === 'canceling');
        setText(cancel, job.state === 'canceling' ? 'Cancelling …' : 'Cancel');
        setAttribute(cancel, 'aria-label', `${cancel.textContent}: ${label}`);
        show(retry, model.info?.features?.retry === true
            && ['failed', 'completed_with_failures', 'canceled'].includes(job.state));
        setAttribute(retry, 'aria-label', `Try again: ${label}`);
        setAttribute(details, 'aria-label', `Details: ${label}`);
        detail.update(model);
    }

    return { node, update };
}

/* What must be said before a cancel; null when nothing is lost by it. */
export function cancelQuestion(model, id) {
    const effect = cancelEffect(model, id);
    const names = activeCopies(model, id).filter((copy) => copy.cancel === effect)
        .map((copy) => words.recorderName(model.recorders[copy.recorder]) ?? copy.recorder);
    const where = [...new Set(names.filter(Boolean))].join(', ');
    const title = `Cancel ${words.jobName(model.jobs[id])}?`;
    if (effect === 'ruins_disc') {
        return {
            title, yes: 'Cancel and ruin the disc', no: 'Go on burning', destructive: true,
            text: `It is being written${where ? ` in ${where}` : ''}. Cancelling now ruins the disc.`,
        };
    }
    if (effect === 'impossible') {
        return {
            title, yes: 'Cancel as soon as possible', no: 'Go back', destructive: false,
            text: `What the recorder does now${where ? ` (${where})` : ''} can't be interrupted. burnd `
                + 'keeps the request in mind; the disc may be finished before it can take effect.',
        };
    }
    return null;
}

function verifyLevel(job) {
    return typeof job.verify === 'object' ? job.verify?.level ?? null : job.verify ?? null;
}

function aboutOf(job, model) {
    const target = job.target?.recorder;
    const recorder = target && target !== 'any'
        ? words.recorderName(model.recorders[target]) ?? target : null;
    const level = verifyLevel(job);
    const source = words.jobSource(job);
    return [
        source && source !== words.jobName(job) ? source : words.plain(job.type ?? ''),
        recorder ? `to ${recorder}` : null,
        job.copies > 1 ? `${job.copies_summary?.done ?? 0} of ${job.copies} copies done` : null,
        job.burn?.simulate ? 'simulation' : null,
        !isTerminal(job.state) && level && level !== 'none' ? `verify ${level}` : null,
        job.state === 'queued' && job.queue_position ? `number ${job.queue_position} in the queue` : null,
        typeof job.eta_s === 'number' && !isTerminal(job.state)
            ? `about ${format.roughDuration(job.eta_s)} left` : null,
        isTerminal(job.state) ? null : `since ${format.dateTime(job.started_at ?? job.created_at)}`,
    ].filter(Boolean).join(' · ');
}

/* Only what the state and the document say; an ended job whose details are not fetched yet says less. */
function resultOf(job) {
    if (!isTerminal(job.state)) {
        return '';
    }
    const parts = [];
    if (job.ended_at) {
        parts.push(`ended ${format.dateTime(job.ended_at)}`);
        const seconds = format.secondsBetween(job.started_at, job.ended_at);
        if (seconds !== null) {
            parts.push(`took ${format.duration(seconds)}`);
        }
    }
    if (job.state === 'completed') {
        const skipped = (job.warnings ?? []).some((warning) => warning.code === 'verify_skipped');
        const level = verifyLevel(job);
        if (job.burn?.simulate) {
            parts.push('simulated, nothing was written');
        } else if (level && ['data', 'image', 'audio', 'mixed', 'copy', 'sync'].includes(job.type)) {
            parts.push(skipped ? words.verified('none') : words.verified(level));
        }
    }
    if (job.copies > 1 && job.copies_summary) {
        const { done, failed, canceled } = job.copies_summary;
        parts.push([`${done} done`, failed ? `${failed} failed` : null,
            canceled ? `${canceled} canceled` : null].filter(Boolean).join(', '));
    }
    return parts.join(' · ');
}

function reasonNodes(job, model) {
    const details = job.reason_details ?? [];
    return (job.reasons ?? []).map((code) => {
        const more = details.find((entry) => entry.code === code);
        const recorder = more?.recorder
            ? words.recorderName(model.recorders[more.recorder]) ?? more.recorder : null;
        return el('li', { 'data-reason': code }, more?.detail
            ?? `Waits: ${words.reason(code)}${recorder ? ` (${recorder})` : ''}`);
    });
}
