// SPDX-License-Identifier: GPL-2.0-or-later
//
// One copy under way, as a bar with its words. Used by the recorder's card and by the job. The bar
// belongs to the phase; phases without a measure (closing can take minutes) show a bar without a
// value, never 100 %.

import { el, setAttribute, setText, show } from './dom.js';
import * as format from './format.js';
import { phaseProgress } from './state.js';
import * as words from './words.js';

export function makeProgress() {
    const label = el('span', { class: 'progress-phase' });
    const value = el('span', { class: 'progress-percent' });
    const bar = el('progress', { max: 100 });
    const figures = el('p', { class: 'progress-figures' });
    const file = el('p', { class: 'progress-file' });
    const node = el('div', { class: 'progress' },
        el('p', { class: 'progress-head' }, label, value), bar, figures, file);

    function update(live, prefix = '') {
        const { kind, data, percent } = phaseProgress(live);
        const phase = live.phase === 'write' && data?.simulate ? 'Simulating' : words.phase(live.phase);
        setAttribute(node, 'data-phase', live.phase);
        setAttribute(node, 'data-kind', kind);
        setAttribute(node, 'data-percent', percent === null ? null : format.wholePercent(percent));
        setText(label, prefix + (phase ?? 'Starting'));
        setText(value, percent === null ? '' : format.percent(percent));
        setAttribute(bar, 'aria-label', prefix + (phase ?? 'Starting'));
        setAttribute(bar, 'value', percent);
        setText(bar, percent === null ? 'under way' : format.percent(percent));
        setText(figures, figuresOf(kind, data, live));
        const path = kind === 'stage' ? data?.current_path : fileOf(live);
        setText(file, path);
        setAttribute(file, 'title', path);
        show(file, Boolean(path));
    }

    return { node, update };
}

function fileOf(live) {
    const side = { write: 'write', verify: 'verify' }[live.phase];
    return side && live.file?.side === side ? live.file.path : null;
}

function figuresOf(kind, data, live) {
    if (!data) {
        return live.expected_s ? `takes about ${format.roughDuration(live.expected_s)}` : '';
    }
    const parts = [];
    if (kind === 'erase') {
        parts.push(`${format.duration(data.elapsed_s)} of about ${format.roughDuration(data.estimated_s)}`);
    } else if (data.unit === 'blocks' || kind === 'block') {
        const size = data.block_size ?? 2048;
        parts.push(`${format.blockBytes(data.completed, size)} of ${format.blockBytes(data.total, size)}`);
    } else if (data.unit === 'bytes') {
        parts.push(`${format.bytes(data.completed)} of ${format.bytes(data.total)}`);
    } else {
        parts.push(`${format.number(data.completed)} of ${format.number(data.total)}`);
    }
    if (typeof data.rate_kb_s === 'number') {
        parts.push(format.rate(data.rate_kb_s, data.rate_x));
    }
    if (typeof data.eta_s === 'number') {
        parts.push(`${format.roughDuration(data.eta_s)} left`);
    }
    if (data.bad_sectors > 0) {
        parts.push(`${format.number(data.bad_sectors)} bad sectors`);
    }
    if (data.mismatched_files > 0) {
        parts.push(`${format.number(data.mismatched_files)} files differ`);
    }
    const buffer = data.device_buffer;
    if (buffer && buffer.total > 0 && typeof buffer.used === 'number') {
        parts.push(`buffer ${format.percent(100 * buffer.used / buffer.total)}`);
    }
    return parts.join(' · ');
}
