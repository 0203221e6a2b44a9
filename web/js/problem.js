// SPDX-License-Identifier: GPL-2.0-or-later
//
// A problem as people see it: what happened, what to do, and the code to search for. The same object
// comes from a refused request, a failed job, copy or attempt.

import { el } from './dom.js';
import * as words from './words.js';

export function problemNode(problem) {
    const action = words.userAction(problem.user_action);
    const fields = (problem.errors ?? []).map((field) => el('li', {},
        field.detail ?? words.plain(field.code), ' ',
        el('code', {}, field.pointer ?? field.parameter ?? field.header ?? field.code)));
    return el('div', { class: 'problem', 'data-code': problem.code },
        el('p', { class: 'problem-detail' }, problem.detail ?? problem.title ?? words.plain(problem.code)),
        action ? el('p', { class: 'problem-action', 'data-action': problem.user_action }, action) : null,
        fields.length > 0 ? el('ul', {}, ...fields) : null,
        deviceNode(problem.device),
        el('p', { class: 'problem-code' }, el('code', {}, problem.code ?? 'unknown')));
}

/* What the drive or the library itself said. */
function deviceNode(device) {
    if (!device) {
        return null;
    }
    const said = [];
    if (device.sense) {
        const { key, asc, ascq, text } = device.sense;
        said.push(`${text ?? 'sense'} (${[key, asc, ascq].map(hex).join('/')})`);
    }
    if (device.library?.message) {
        said.push(`${device.library.name ?? 'library'}: ${device.library.message}`);
    }
    if (typeof device.at_lba === 'number') {
        said.push(`at block ${device.at_lba.toLocaleString()}`);
    }
    return said.length > 0 ? el('p', { class: 'problem-device' }, said.join(' · ')) : null;
}

function hex(value) {
    return typeof value === 'number' ? value.toString(16).toUpperCase().padStart(2, '0') : '–';
}

export function warningNodes(warnings) {
    return (warnings ?? []).map((warning) => {
        const examples = (warning.examples ?? []).slice(0, 3).map((example) =>
            typeof example === 'string' ? example : JSON.stringify(example)).join(', ');
        const count = warning.count > 1 ? ` (${warning.count.toLocaleString()} times)` : '';
        return el('li', { class: 'warning', 'data-code': warning.code },
            `${warning.detail ?? words.plain(warning.code)}${count}${examples ? `: ${examples}` : ''}`);
    });
}
