// SPDX-License-Identifier: GPL-2.0-or-later
//
// The recorders: one card each, with what lies in it, what it does now, and what a hand would do to it
// (eject, load, look again).

import { el, keyed, rebuild, setAttribute, setState, setText, show } from './dom.js';
import * as format from './format.js';
import { problemNode } from './problem.js';
import { makeProgress } from './progress.js';
import { recorderList } from './state.js';
import * as words from './words.js';

/* act(recorder id, verb) → Promise; rejects with a ServerError. Gives render(model). */
export function makeRecorders({ act }) {
    const list = document.getElementById('recorder-list');
    const empty = document.getElementById('recorders-empty');
    return function render(model) {
        const views = recorderList(model).map((recorder) => ({ recorder, model }));
        keyed(list, views, (view) => view.recorder.id, (view) => makeCard(view.recorder.id, act));
        show(empty, model.loaded && views.length === 0);
    };
}

/* "DVD+RW · blank · 4.70 GB free", for the card and for the form's list. */
export function mediumSummary(recorder) {
    const medium = recorder.medium;
    if (!medium) {
        return recorder.state === 'offline' ? 'unplugged'
            : recorder.tray === 'open' ? 'tray open' : 'no medium';
    }
    const writable = medium.state === 'blank' || medium.state === 'appendable';
    const free = writable && typeof medium.free_sectors === 'number'
        ? `${format.blockBytes(medium.free_sectors)} free` : null;
    return [words.profile(medium.profile), words.plain(medium.state ?? 'unknown'), medium.volume_id, free]
        .filter(Boolean).join(' · ');
}

/* A lease that only waits for a medium leaves the tray to people. */
function handsOff(recorder) {
    return !['none', 'awaiting_medium', undefined, null].includes(recorder.activity)
        || recorder.write_in_progress;
}

function makeCard(id, act) {
    const name = el('h3');
    const state = el('span', { class: 'state' });
    const identity = el('p', { class: 'identity' });
    const medium = el('div', { class: 'medium' });
    const activity = el('p', { class: 'activity' });
    const progress = makeProgress();
    const problem = el('div');
    const trouble = el('div', { role: 'alert' });
    const buttons = {
        eject: button('eject', 'Eject'), load: button('load', 'Load'), rescan: button('rescan', 'Look again'),
    };
    const node = el('article', { class: 'card recorder', 'data-recorder': id },
        el('header', {}, name, state), identity, medium, activity, progress.node, problem, trouble,
        el('div', { class: 'actions' }, ...Object.values(buttons)));
    const acting = new Set();

    function button(verb, label) {
        return el('button', { type: 'button', class: verb, on: { click: () => run(verb) } }, label);
    }

    async function run(verb) {
        if (acting.has(verb)) {
            return;
        }
        acting.add(verb);
        setAttribute(buttons[verb], 'aria-busy', 'true');
        trouble.replaceChildren();
        try {
            await act(id, verb);
        } catch (error) {
            trouble.replaceChildren(problemNode(error.problem ?? { detail: error.message }));
        } finally {
            acting.delete(verb);
            setAttribute(buttons[verb], 'aria-busy', null);
        }
    }

    function update({ recorder, model }) {
        setAttribute(node, 'data-state', recorder.state);
        setAttribute(node, 'data-activity', recorder.activity);
        setAttribute(node, 'data-medium', recorder.medium?.state ?? 'none');
        setAttribute(node, 'data-writing', recorder.write_in_progress ? 'true' : 'false');
        setText(name, words.recorderName(recorder));
        setState(state, recorder.enabled === false ? 'disabled' : recorder.state);
        const maker = [recorder.vendor, recorder.product].filter(Boolean).join(' ');
        setText(identity, [words.kind(recorder.kind), maker, recorder.node ?? (recorder.alias ? id : null)]
            .filter((part) => part && part !== words.recorderName(recorder)).join(' · '));
        rebuild(medium, [recorder.medium, recorder.tray, recorder.state], () => mediumNodes(recorder));

        const live = liveOf(recorder, model);
        const busy = recorder.activity && recorder.activity !== 'none';
        const job = recorder.lease?.job;
        rebuild(activity, [busy, recorder.activity, job, job && jobName(model, job)], () => {
            if (!busy && !job) {
                return [];
            }
            const doing = busy ? words.activity(recorder.activity) : 'reserved';
            return [doing, job ? ': ' : '', job ? el('a', { href: `#${job}` }, jobName(model, job)) : ''];
        });
        show(activity, busy || job);
        show(progress.node, Boolean(live));
        if (live) {
            progress.update(live);
        }

        rebuild(problem, recorder.problem ?? null,
            () => (recorder.problem ? [problemNode(recorder.problem)] : []));
        const locked = handsOff(recorder) || recorder.state === 'offline';
        for (const part of Object.values(buttons)) {
            setAttribute(part, 'disabled', locked);
            setAttribute(part, 'title', locked ? 'Not while the recorder is at work or unplugged' : null);
            setAttribute(part, 'aria-label', `${part.textContent}: ${words.recorderName(recorder)}`);
        }
        if (recorder.kind === 'file' && !locked) {
            setAttribute(buttons.eject, 'title',
                'Sets the written image file aside; a blank takes its place');
        }
        show(buttons.eject, recorder.capabilities?.can_eject !== false && recorder.tray !== 'open');
        show(buttons.load, recorder.capabilities?.can_load === true && recorder.tray === 'open');
    }

    return { node, update };
}

function jobName(model, id) {
    return model.jobs[id] ? words.jobName(model.jobs[id]) : id;
}

/* What the leasing copy does, once its phase is known. */
function liveOf(recorder, model) {
    const { job, copy } = recorder.lease ?? {};
    const live = model.live[job]?.[copy];
    return live && live.phase && live.phase !== 'ended' ? live : null;
}

function mediumNodes(recorder) {
    const medium = recorder.medium;
    if (!medium) {
        return [el('p', { class: 'medium-line' }, mediumSummary(recorder))];
    }
    const nodes = [el('p', { class: 'medium-line' },
        el('strong', {}, words.profile(medium.profile) ?? 'unknown medium'), ' ',
        el('span', { class: `medium-state ${medium.state ?? 'unknown'}` }, words.plain(medium.state ?? '–')),
        medium.volume_id ? el('span', { class: 'volume' }, medium.volume_id) : null)];
    const { capacity_sectors: capacity, used_sectors: used, free_sectors: free } = medium;
    if (typeof capacity === 'number' && capacity > 0) {
        const size = format.blockBytes(capacity);
        const share = medium.state === 'blank' || medium.state === 'appendable'
            ? `${format.blockBytes(free)} free of ${size}`
            : `${format.blockBytes(used)} used of ${size}`;
        nodes.push(el('p', { class: 'capacity' }, share));
        if (typeof used === 'number' && used > 0) {
            nodes.push(el('meter', { min: 0, max: capacity, value: used, 'aria-label': 'used' }, share));
        }
    }
    const notes = [];
    if ((medium.sessions ?? []).length > 1) {
        notes.push(`${medium.sessions.length} sessions`);
    }
    if ((medium.write_protect ?? []).length > 0 || (medium.flags ?? []).includes('write_protected')) {
        notes.push('write-protected');
    }
    const fastest = Math.max(0, ...(medium.write_speeds ?? []).map((speed) => speed.kb_s ?? 0));
    if (fastest > 0) {
        const top = medium.write_speeds.find((speed) => speed.kb_s === fastest);
        notes.push(`up to ${format.rate(fastest, top.x)}`);
    }
    if (notes.length > 0) {
        nodes.push(el('p', { class: 'capacity' }, notes.join(' · ')));
    }
    return nodes;
}
