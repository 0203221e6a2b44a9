// SPDX-License-Identifier: GPL-2.0-or-later
//
// The few things the page does to the document. Data only ever enters as text or as an attribute
// value, never as markup. Nodes are kept and changed in place, so that focus, open details and a
// screen reader's position survive every update.

/* A new element. `attributes`: name → value (null or false = leave out, true = empty),
 * `on` → {event: handler}. */
export function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name === 'on') {
            for (const [type, handler] of Object.entries(value)) {
                node.addEventListener(type, handler);
            }
        } else {
            setAttribute(node, name, value);
        }
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
}

export function setAttribute(node, name, value) {
    if (value === null || value === undefined || value === false) {
        if (node.hasAttribute(name)) {
            node.removeAttribute(name);
        }
        return;
    }
    const text = value === true ? '' : String(value);
    if (node.getAttribute(name) !== text) {
        node.setAttribute(name, text);
    }
}

export function setText(node, text) {
    const value = text === null || text === undefined ? '' : String(text);
    if (node.textContent !== value) {
        node.textContent = value;
    }
}

export function show(node, visible) {
    if (node.hidden === Boolean(visible)) {
        node.hidden = !visible;
    }
}

/* The state word as a chip: text, CSS class and API word are the same. */
export function setState(chip, word) {
    const className = `state ${word ?? 'unknown'}`;
    if (chip.className !== className) {
        chip.className = className;
        chip.textContent = word ? word.replaceAll('_', ' ') : '–';
    }
}

/* Makes the children of `parent` match `items`, one node an item. `make(item)` gives {node, update};
 * nodes stay where they are when the order did not change. */
export function keyed(parent, items, keyOf, make) {
    const parts = parent.keyedParts ?? (parent.keyedParts = new Map());
    const wanted = new Set(items.map(keyOf));
    for (const [key, part] of parts) {
        if (!wanted.has(key)) {
            part.node.remove();
            parts.delete(key);
        }
    }
    let position = parent.firstChild;
    for (const item of items) {
        const key = keyOf(item);
        let part = parts.get(key);
        if (!part) {
            part = make(item);
            parts.set(key, part);
        }
        if (part.node === position) {
            position = position.nextSibling;
        } else {
            parent.insertBefore(part.node, position);
        }
        part.update(item);
    }
}

/* Replaces the children only when `signature` differs from the last time. True when it did. */
export function rebuild(parent, signature, build) {
    const text = JSON.stringify(signature);
    if (parent.builtFrom === text) {
        return false;
    }
    parent.builtFrom = text;
    parent.replaceChildren(...build().filter(Boolean));
    return true;
}

/* Said once to a screen reader; for changes of state, not for each percent. */
export function announce(text) {
    const line = el('p', {}, text);
    const region = document.getElementById('announce');
    region.append(line);
    setTimeout(() => line.remove(), 10000);
}
