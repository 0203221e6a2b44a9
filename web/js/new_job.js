// SPDX-License-Identifier: GPL-2.0-or-later
//
// The form for a new disc: choose a folder (data) or an ISO image, see what it would need, start it.
//
//     source chosen ──► plan asked (dry run, after a short pause) ──► plan shown ──► Start ──► job
//          ▲                    any change of the form or of the target's medium │
//          └──────────────────────────────────────────────────────────────────────┘
//
// Nothing is checked here that the server checks; its errors are put next to their field by JSON
// pointer. What destroys is never kept from one job to the next, and asks again before it starts.

import { ask } from './dialog.js';
import { announce, el, rebuild, setAttribute, setText, show } from './dom.js';
import * as format from './format.js';
import { problemNode } from './problem.js';
import { planNodes } from './plan.js';
import { mediumSummary } from './recorders.js';
import { newKey, post } from './server.js';
import { makeSourcePicker } from './source_picker.js';
import { recorderList } from './state.js';
import * as words from './words.js';

const PLAN_PAUSE_MS = 400;
const PLAN_TIMEOUT_MS = 70000; /* the server gives a plan 60 s */

/* The job document of the form's values; what is left at its default is left out. `destroy` is null,
 * 'overwrite' or 'erase'. */
export function buildDocument({ source, title, volumeId, recorder, copies, verify, simulate, destroy }) {
    const job = { type: source.type };
    if (title) {
        job.title = title;
    }
    if (copies !== 1) {
        job.copies = copies;
    }
    job.target = { recorder };
    if (source.type === 'image') {
        job.image = { from: source.from };
    } else {
        job.data = { entries: [{ from: source.from, to: '/' }] };
        if (volumeId) {
            job.data.volume_id = volumeId;
        }
    }
    const burn = {};
    if (simulate) {
        burn.simulate = true;
    }
    if (destroy === 'overwrite') {
        burn.force_overwrite = true;
    } else if (destroy === 'erase') {
        burn.blank_first = 'if_needed';
    }
    if (Object.keys(burn).length > 0) {
        job.burn = burn;
    }
    job.verify = simulate ? 'none' : verify;
    return job;
}

/* What it takes to use this recorder's medium: null = nothing; else {way, text}. */
export function destruction(recorder) {
    const medium = recorder?.medium;
    if (!medium || medium.state === 'blank' || medium.heuristically_blank === true) {
        return null;
    }
    const name = words.recorderName(recorder);
    const what = [medium.volume_id ? `“${medium.volume_id}”` : null,
        medium.used_sectors > 0 ? format.blockBytes(medium.used_sectors) : null].filter(Boolean).join(', ');
    const held = what ? `the medium in ${name} (${what})` : `the medium in ${name}`;
    if (medium.overwritable || recorder.kind === 'file') {
        return { way: 'overwrite', held, text: `Overwrite ${held}. Everything on it is lost.` };
    }
    if (medium.erasable) {
        return { way: 'erase', held, text: `Erase ${held} first. Everything on it is lost.` };
    }
    return { way: null, held, text: null };
}

/* The field that a JSON pointer belongs to: the longest `data-pointer` that is a prefix of it. */
export function fieldForPointer(fields, pointer) {
    let best = null;
    let length = 0;
    for (const field of fields) {
        for (const prefix of field.pointers) {
            const covers = pointer === prefix || pointer.startsWith(`${prefix}/`);
            if (covers && prefix.length > length) {
                best = field;
                length = prefix.length;
            }
        }
    }
    return best;
}

/* started(answer) is told of the new job. Gives {render(model), refresh()}. */
export function makeNewJob({ started }) {
    const form = document.getElementById('new-job-form');
    const field = (id) => document.getElementById(id);
    const [title, volumeId, recorder, copies, verify, simulate, overwrite] =
        ['title', 'volume-id', 'recorder', 'copies', 'verify', 'simulate', 'overwrite'].map(field);
    const start = field('start');
    const planBox = field('plan');
    const planBody = field('plan-body');
    const startProblem = field('start-problem');
    const fields = Array.from(form.querySelectorAll('[data-pointer]'), (node) => ({
        node, pointers: node.dataset.pointer.split(' '), line: node.querySelector('.field-error'),
        input: node.matches('fieldset') ? null : node.querySelector('input, select'),
    }));

    let model = null;
    let chosenByHand = false;
    let targetMedium = null;
    let plan = null; /* {forText, ok} of the last plan that was answered */
    let planTimer = null;
    let planAbort = null;
    let posting = false;
    let attempt = { text: null, key: null };

    const picker = makeSourcePicker({ changed: (source) => {
        show(field('volume-id-field'), source?.type !== 'image');
        changed();
    } });

    form.addEventListener('input', changed);
    recorder.addEventListener('change', () => {
        chosenByHand = true;
        overwrite.checked = false;
        renderTarget();
        changed();
    });
    simulate.addEventListener('change', () => { verify.disabled = simulate.checked; });
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        submit();
    });

    function values() {
        const target = model?.recorders[recorder.value];
        return {
            source: picker.source(), title: title.value.trim(), volumeId: volumeId.value.trim(),
            recorder: recorder.value, copies: copies.value === '' ? 1 : Number(copies.value),
            verify: verify.value, simulate: simulate.checked,
            destroy: overwrite.checked ? destruction(target)?.way ?? null : null,
        };
    }

    function documentText() {
        return picker.source() ? JSON.stringify(buildDocument(values())) : null;
    }

    /* ---- the target and its medium ---- */

    function render(next) {
        const first = model === null;
        model = next;
        const list = recorderList(model).filter((entry) => entry.enabled !== false);
        const options = [['any', 'Any that fits'], ...list.map((entry) =>
            [entry.id, `${words.recorderName(entry)} – ${mediumSummary(entry)}`])];
        const before = recorder.value;
        const rebuilt = rebuild(recorder, options, () => options.map(([value, text]) =>
            el('option', { value }, text)));
        if (rebuilt) {
            const known = options.some(([value]) => value === before);
            recorder.value = known && (chosenByHand || before !== 'any') ? before
                : list.length === 1 ? list[0].id : known ? before : 'any';
        }
        if (first) {
            picker.start();
        }
        renderTarget();
    }

    /* Another medium in the target: what was allowed for the old one is not allowed for this. */
    function renderTarget() {
        const target = model.recorders[recorder.value];
        const medium = target?.medium ?? null;
        /* Not the capacity: an image file's is the room on its disk, which changes by itself. */
        const identity = JSON.stringify([target?.id, medium && [medium.profile, medium.state,
            medium.fingerprint, medium.volume_id, medium.used_sectors]]);
        const moved = identity !== targetMedium;
        if (moved) {
            targetMedium = identity;
            overwrite.checked = false;
        }
        const loss = destruction(target);
        show(field('overwrite-field'), Boolean(loss?.way));
        if (loss?.way) {
            setText(field('overwrite-text'), loss.text);
        }
        setText(field('recorder-note'), noteOf(target, loss));
        simulate.disabled = target?.capabilities?.simulate === false;
        if (simulate.disabled && simulate.checked) {
            simulate.checked = false;
            verify.disabled = false;
        }
        if (moved) {
            changed();
        }
    }

    /* ---- the plan ---- */

    function changed() {
        const text = documentText();
        if (plan && plan.forText === text) {
            renderStart();
            return;
        }
        plan = null;
        planAbort?.abort();
        clearTimeout(planTimer);
        renderStart();
        if (text === null) {
            showPlan('none', [el('p', { class: 'note' }, 'Choose a source to see what it needs.')]);
            clearErrors();
            return;
        }
        setAttribute(planBox, 'data-state', 'planning');
        if (planBody.childElementCount === 0 || planBox.dataset.shown === 'none') {
            showPlan('planning', [el('p', { class: 'note' }, 'Planning …')]);
        }
        planTimer = setTimeout(askPlan, PLAN_PAUSE_MS, text);
    }

    async function askPlan(text) {
        planAbort = new AbortController();
        const { signal } = planAbort;
        try {
            const { data } = await post('jobs?dry_run=true', JSON.parse(text),
                { signal, timeoutMs: PLAN_TIMEOUT_MS });
            plan = { forText: text, ok: data.ok };
            clearErrors();
            const loose = placeErrors(data.errors ?? []);
            showPlan(data.ok === false ? 'refused' : 'ready', planNodes(data, loose, model));
            announce(data.ok === false ? 'The plan has errors.' : 'The plan is ready.');
        } catch (error) {
            if (signal.aborted) {
                return;
            }
            clearErrors();
            const loose = placeErrors(error.fields ?? []);
            const again = el('button', { type: 'button', on: { click: () => askPlan(text) } }, 'Plan again');
            const known = (error.fields?.length ?? 0) > 0 && loose.length === 0;
            showPlan('refused', [known ? el('p', { class: 'note' }, 'See the marked fields.')
                : problemNode({ ...error.problem, errors: loose }),
            error.retryable || error.status === null ? again : null]);
        }
        renderStart();
    }

    function showPlan(state, nodes) {
        setAttribute(planBox, 'data-state', state);
        planBox.dataset.shown = state;
        planBody.replaceChildren(...nodes.filter(Boolean));
    }

    function renderStart() {
        const ready = plan !== null && plan.ok !== false && !posting;
        start.disabled = !ready;
        setText(start, posting ? 'Starting …' : overwrite.checked ? 'Destroy and start' : 'Start');
        start.className = overwrite.checked ? 'destructive' : 'primary';
        setText(field('start-note'), simulate.checked && ready ? 'simulation' : '');
    }

    /* ---- errors beside their field ---- */

    function clearErrors() {
        for (const { line, input } of fields) {
            setText(line, '');
            show(line, false);
            setAttribute(input ?? line, 'aria-invalid', null);
        }
    }

    /* Gives those that have no field. */
    function placeErrors(errors) {
        return errors.filter((error) => {
            const place = fieldForPointer(fields, error.pointer ?? '');
            if (!place || place.node.hidden) {
                return true;
            }
            const text = error.detail ?? words.plain(error.code);
            setText(place.line, place.line.textContent ? `${place.line.textContent} ${text}` : text);
            setAttribute(place.line, 'data-code', error.code);
            show(place.line, true);
            if (place.input) {
                setAttribute(place.input, 'aria-invalid', 'true');
            }
            return false;
        });
    }

    /* ---- start ---- */

    async function submit() {
        if (start.disabled || posting) {
            return;
        }
        const text = documentText();
        const given = values();
        if (given.destroy) {
            const target = model.recorders[given.recorder];
            const medium = targetMedium;
            const sure = await ask({
                title: given.destroy === 'erase' ? 'Erase this medium?' : 'Overwrite this medium?',
                text: destruction(target).text + ' This can\'t be undone.',
                yes: given.destroy === 'erase' ? 'Erase and burn' : 'Overwrite and burn', destructive: true,
            });
            if (!sure || medium !== targetMedium || text !== documentText()) {
                return;
            }
        }
        /* The same document again after a lost answer must not make a second job. */
        if (attempt.text !== text) {
            attempt = { text, key: newKey() };
        }
        posting = true;
        renderStart();
        startProblem.replaceChildren();
        try {
            const answer = await post('jobs', JSON.parse(text),
                { key: attempt.key, timeoutMs: PLAN_TIMEOUT_MS });
            attempt = { text: null, key: null };
            posting = false;
            reset();
            started(answer);
        } catch (error) {
            posting = false;
            if (error.status !== null && error.status !== undefined) {
                attempt = { text: null, key: null };
            }
            clearErrors();
            const loose = placeErrors(error.fields ?? []);
            const problem = error.problem ?? { detail: error.message };
            startProblem.replaceChildren(problemNode({ ...problem, errors: loose }));
            startProblem.scrollIntoView({ block: 'nearest' });
            renderStart();
        }
    }

    function reset() {
        title.value = '';
        volumeId.value = '';
        copies.value = '1';
        simulate.checked = false;
        verify.disabled = false;
        overwrite.checked = false;
        picker.clear();
        changed();
    }

    /* The connection is back: what was planned and listed may be of the past. */
    function refresh() {
        if (model !== null) {
            picker.refresh();
            plan = null;
            changed();
        }
    }

    return { render, refresh };
}

function noteOf(target, loss) {
    if (!target) {
        return null;
    }
    if (target.state === 'offline' || target.state === 'quarantined') {
        return `This recorder is ${target.state}; the job would wait for it.`;
    }
    if (loss) {
        return loss.way
            ? 'The medium is not blank. Eject it, or allow it to be destroyed below.'
            : 'The medium is not blank and can not be rewritten. Eject it and insert a blank one.';
    }
    if (target.state === 'busy') {
        return 'This recorder is at work; the job would wait its turn.';
    }
    return null;
}
