// SPDX-License-Identifier: GPL-2.0-or-later
//
// A plan as people read it: what goes on the disc, whether it fits, who can burn it, how long it takes.

import { el } from './dom.js';
import * as format from './format.js';
import { warningNodes } from './problem.js';
import * as words from './words.js';

/* `loose`: the plan's errors that belong to no field of the form. */
export function planNodes(plan, loose, model) {
    const rows = [];
    const row = (term, name, ...content) => rows.push(
        el('dt', {}, term), el('dd', { 'data-plan': name }, ...content));

    row('Size', 'size', format.bytes(plan.image_bytes ?? bytesOf(plan.image_sectors)),
        el('span', { class: 'aside' }, format.sectors(plan.image_sectors)));
    if (typeof plan.files === 'number') {
        row('Content', 'files', `${format.number(plan.files)} ${plan.files === 1 ? 'file' : 'files'}`,
            plan.directories > 0
                ? ` in ${format.number(plan.directories)} ${
                    plan.directories === 1 ? 'folder' : 'folders'}` : '');
    }
    const discs = plan.discs ?? [];
    discs.forEach((disc, index) =>
        row(discs.length > 1 ? `Disc ${index + 1}` : 'Fits', 'fits', ...fitNodes(disc)));
    const eligible = plan.eligible_recorders ?? [];
    if (eligible.length > 0 || (plan.ineligible_recorders ?? []).length > 0) {
        row('Recorder', 'recorders', eligible.length > 0
            ? eligible.map((entry) => nameOf(entry, model)).join(', ') : 'none is ready for it',
        ...(plan.ineligible_recorders ?? []).map((entry) => el('span', { class: 'aside ineligible' },
            `${nameOf(entry, model)}: ${(entry.reasons ?? []).map(reasonText).join(', ')}`)));
    }
    const estimate = plan.estimated_s ?? {};
    const steps = [['stage', 'prepare'], ['write', 'write'], ['close', 'close'], ['verify', 'verify']]
        .filter(([name]) => estimate[name] >= 0.5);
    if (steps.length > 0) {
        const total = steps.reduce((sum, [name]) => sum + estimate[name], 0);
        row('Time', 'time', `about ${format.roughDuration(total)}`, el('span', { class: 'aside' },
            steps.map(([name, label]) => `${label} ${format.roughDuration(estimate[name])}`).join(' · ')));
    }
    const effective = plan.effective ?? {};
    const how = [effective.mode, effective.speed !== undefined && effective.speed !== null
        ? `speed ${format.speed(effective.speed)}` : null,
    effective.close === true ? 'closed' : effective.close === false ? 'left open' : null].filter(Boolean);
    if (how.length > 0) {
        row('Burn', 'effective', how.join(' · '));
    }

    const errors = loose.map((error) => el('li', { class: 'error', 'data-code': error.code },
        error.detail ?? words.plain(error.code)));
    const warnings = warningNodes(plan.warnings);
    return [
        errors.length > 0 ? el('ul', { class: 'errors' }, ...errors) : null,
        plan.ok === false && typeof plan.image_sectors !== 'number' ? null : el('dl', {}, ...rows),
        warnings.length > 0 ? el('ul', { class: 'warnings' }, ...warnings) : null,
        plan.ok === false && errors.length === 0
            ? el('p', { class: 'note' }, 'This can not be burnt as it is; see the marked fields.') : null,
    ];
}

function fitNodes(disc) {
    const used = disc.used_sectors;
    const capacity = disc.capacity_sectors;
    const text = disc.fits === true ? 'yes' : disc.fits === false ? 'no' : '–';
    const nodes = [el('span', {
        class: `fits ${text === '–' ? 'unknown' : text}`, 'data-fits': String(disc.fits ?? null),
    }, text)];
    if (typeof used === 'number' && typeof capacity === 'number' && capacity > 0) {
        const left = capacity - used;
        const note = left >= 0
            ? `${format.bytes(bytesOf(left))} of ${format.bytes(bytesOf(capacity))} stay free`
            : `${format.bytes(bytesOf(-left))} too much for ${format.bytes(bytesOf(capacity))}`;
        nodes.push(el('span', { class: 'aside' }, note), el('meter', {
            min: 0, max: capacity, value: Math.min(used, capacity), high: capacity, 'aria-label': 'filled',
        }, note));
    }
    return nodes;
}

function bytesOf(sectors) {
    return typeof sectors === 'number' ? sectors * 2048 : null;
}

function nameOf(entry, model) {
    const id = typeof entry === 'string' ? entry : entry.recorder ?? entry.id;
    return words.recorderName(model?.recorders[id]) ?? id;
}

function reasonText(reason) {
    return typeof reason === 'string' ? words.reason(reason) : reason.detail ?? words.reason(reason.code);
}
