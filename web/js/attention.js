// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a person must do now, with the ways out as buttons. Those that destroy something ask again.

import { ask } from './dialog.js';
import { announce, el, keyed, rebuild, setAttribute, setText, show } from './dom.js';
import * as format from './format.js';
import { problemNode } from './problem.js';
import { attentionList } from './state.js';
import * as words from './words.js';

/* resolve(item id, action) → Promise. Gives render(model). */
export function makeAttention({ resolve }) {
    const section = document.getElementById('attention');
    const list = document.getElementById('attention-list');
    const announced = new Set();
    return function render(model) {
        const views = attentionList(model).map((item) => ({ item, model }));
        keyed(list, views, (view) => view.item.id, (view) => makeItem(view.item.id, resolve));
        show(section, views.length > 0);
        for (const { item } of views) {
            if (!announced.has(item.id)) {
                announced.add(item.id);
                announce(`Needs you: ${item.text}`);
            }
        }
    };
}

function makeItem(id, resolve) {
    const text = el('p', { class: 'attention-text' });
    const context = el('p', { class: 'attention-context' });
    const buttons = el('div', { class: 'actions' });
    const trouble = el('div', { role: 'alert' });
    const node = el('li', { class: 'card attention', 'data-attention': id }, text, context, buttons, trouble);

    async function run(item, action) {
        if (action.destructive && !(await ask({
            title: `${action.label}?`, text: `${item.text} This can't be undone.`, yes: action.label,
            destructive: true,
        }))) {
            return;
        }
        trouble.replaceChildren();
        try {
            await resolve(id, action.action);
        } catch (error) {
            trouble.replaceChildren(problemNode(error.problem ?? { detail: error.message }));
        }
    }

    function update({ item, model }) {
        setAttribute(node, 'data-code', item.code);
        setAttribute(node, 'data-severity', item.severity);
        setText(text, item.text ?? words.plain(item.code));
        const job = model.jobs[item.job];
        const recorder = model.recorders[item.recorder];
        rebuild(context, [item.job, job && words.jobName(job), item.copy, item.recorder, recorder?.alias,
            item.raised_at], () => [
            recorder || item.recorder ? el('span', {}, words.recorderName(recorder) ?? item.recorder) : null,
            item.job ? el('a', { href: `#${item.job}` }, job ? words.jobName(job) : item.job) : null,
            item.copy && job?.copies !== 1 ? el('span', {}, `copy ${item.copy}`) : null,
            el('time', { datetime: item.raised_at }, `since ${format.dateTime(item.raised_at)}`)]);
        rebuild(buttons, item.actions ?? [], () => (item.actions ?? []).map((action) => el('button', {
            type: 'button', class: action.destructive ? 'destructive' : null, 'data-action': action.action,
            on: { click: () => run(item, action) },
        }, action.label ?? words.plain(action.action))));
        show(buttons, (item.actions ?? []).length > 0);
    }

    return { node, update };
}
