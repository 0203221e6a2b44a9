// SPDX-License-Identifier: GPL-2.0-or-later
//
// Walks the roots of the server: a folder is opened by its name and taken with "Use this folder"; an
// ISO image is taken by its name. Whatever else lies there is shown, so that people see where they are.

import { announce, el, setAttribute, setText, show } from './dom.js';
import * as format from './format.js';
import { problemNode } from './problem.js';
import { get } from './server.js';

const PAGE = 200;

/* changed(source) with {type: 'data'|'image', from, root, path} or null. */
export function makeSourcePicker({ changed }) {
    const list = document.getElementById('source-tree');
    const trail = document.getElementById('source-path');
    const more = document.getElementById('tree-more');
    const use = document.getElementById('use-folder');
    const label = document.getElementById('source');
    let chosen = null;
    let here = null; /* null = the list of roots; else {root, path} */
    let cursor = null;
    let visit = 0;
    let failed = false;
    let shown = null; /* the listing on the page, to leave it alone when nothing changed */

    use.addEventListener('click', () => {
        choose({ type: 'data', root: here.root, path: here.path, from: sourceName(here.root, here.path) });
    });
    more.addEventListener('click', () => load(true, false));

    function start() {
        load(false, false);
    }

    /* burnd may have been away and come back with other folders. */
    function refresh() {
        load(false, false);
    }

    function go(place) {
        here = place;
        load(false, true);
    }

    async function load(append, moveFocus) {
        const mine = ++visit;
        failed = false;
        setAttribute(list, 'aria-busy', 'true');
        try {
            const place = here;
            const { data } = place === null ? await get('roots', { limit: PAGE })
                : await get(`roots/${encodeURIComponent(place.root)}/tree`,
                    { path: place.path, limit: PAGE, cursor: append ? cursor : null });
            if (mine !== visit) {
                return;
            }
            const listing = JSON.stringify([place, data.items, data.next_cursor]);
            if (!append && !moveFocus && listing === shown) {
                return;
            }
            shown = append ? null : listing;
            cursor = data.next_cursor ?? null;
            const rows = data.items.map(place === null ? rootRow : (item) => itemRow(item, place));
            if (!append) {
                list.replaceChildren();
                if (rows.length === 0) {
                    list.append(el('li', { class: 'empty' }, place === null
                        ? 'No folder is offered. Start burnd with --root NAME=PATH.'
                        : 'This folder is empty.'));
                }
            }
            const firstNew = rows[0];
            list.append(...rows);
            renderPlace();
            markChosen();
            if (moveFocus || append) {
                (firstNew?.querySelector('button:not(:disabled)') ?? trail.querySelector('button'))?.focus();
            }
            if (moveFocus) {
                announce(place === null ? 'Roots' : `${placeName(place)}: ${rows.length} entries`);
            }
        } catch (error) {
            if (mine !== visit) {
                return;
            }
            failed = true;
            shown = null;
            cursor = null;
            renderPlace();
            const again = () => load(false, true);
            list.replaceChildren(el('li', {}, problemNode(error.problem ?? { detail: error.message }),
                el('button', { type: 'button', class: 'again', on: { click: again } }, 'Try again')));
        } finally {
            if (mine === visit) {
                setAttribute(list, 'aria-busy', null);
            }
        }
    }

    function renderPlace() {
        const parts = here === null ? [] : here.path.split('/').filter(Boolean);
        const crumbs = [crumb('Roots', null, here === null)];
        if (here !== null) {
            crumbs.push(crumb(here.root, { root: here.root, path: '' }, parts.length === 0));
        }
        parts.forEach((part, index) => crumbs.push(crumb(part,
            { root: here.root, path: parts.slice(0, index + 1).join('/') }, index === parts.length - 1)));
        trail.replaceChildren(...crumbs);
        show(use, here !== null && !failed);
        show(more, cursor !== null);
    }

    function crumb(text, place, current) {
        return current ? el('span', { class: 'crumb', 'aria-current': 'location' }, text)
            : el('button', { type: 'button', class: 'crumb', on: { click: () => go(place) } }, text);
    }

    function rootRow(root) {
        const usable = root.available !== false;
        const trouble = typeof root.problem === 'string' ? root.problem : root.problem?.detail;
        return row({
            icon: 'root', text: root.name, size: usable ? '' : trouble ?? 'not available',
            attributes: { 'data-root': root.name },
            onClick: usable ? () => go({ root: root.name, path: '' }) : null,
        });
    }

    function itemRow(item, place) {
        const path = place.path ? `${place.path}/${item.name}` : item.name;
        const attributes = { 'data-path': path, 'data-type': item.type };
        if (item.type === 'directory') {
            const open = () => go({ root: place.root, path });
            return row({ icon: 'directory', text: item.name, size: '', attributes, onClick: open });
        }
        const image = item.type === 'file' && /\.iso$/i.test(item.name);
        const from = item.source ?? sourceName(place.root, path);
        const source = { type: 'image', root: place.root, path, from };
        return row({
            icon: image ? 'image' : item.type, text: item.name,
            size: item.type === 'symlink' ? 'link' : format.bytes(item.size_bytes),
            attributes: { ...attributes, 'data-source': image ? source.from : null },
            onClick: image ? () => choose(source) : null,
        });
    }

    /* What can be chosen is a button; the rest is text. */
    function row({ icon, text, size, attributes, onClick }) {
        const content = [el('span', { class: `icon ${icon}`, 'aria-hidden': 'true' }),
            el('span', { class: 'entry-name' }, text), el('span', { class: 'entry-size' }, size)];
        return el('li', {}, onClick
            ? el('button', {
                type: 'button', class: 'entry', title: text, ...attributes, on: { click: onClick },
            }, ...content)
            : el('span', { class: 'entry inert', title: text, ...attributes }, ...content));
    }

    function choose(source) {
        chosen = source;
        setAttribute(label, 'data-type', source?.type ?? '');
        setAttribute(label, 'data-source', source?.from ?? null);
        setText(label, source === null ? 'Nothing chosen yet'
            : `${source.type === 'image' ? 'Image' : 'Folder'} ${placeName(source)}`);
        markChosen();
        if (source) {
            announce(label.textContent);
        }
        changed(source);
    }

    function markChosen() {
        for (const button of list.querySelectorAll('button[data-source]')) {
            setAttribute(button, 'aria-pressed', String(button.dataset.source === chosen?.from));
        }
        setAttribute(use, 'aria-pressed', here === null ? null
            : String(chosen?.type === 'data' && chosen.from === sourceName(here.root, here.path)));
    }

    return { start, refresh, source: () => chosen, clear: () => choose(null) };
}

function sourceName(root, path) {
    return path ? `root:${root}/${path}` : `root:${root}`;
}

function placeName({ root, path }) {
    return path ? `${root}/${path}` : root;
}
