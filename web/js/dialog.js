// SPDX-License-Identifier: GPL-2.0-or-later
//
// The one question the page asks before something that can't be undone. The harmless answer has the
// focus; Escape means it too.

let pending = null;

/* {title, text, yes, destructive} → Promise of true or false. A second question answers the first
 * with false. */
export function ask({ title, text, yes, no = 'Go back', destructive = false }) {
    const dialog = document.getElementById('confirm');
    if (pending) {
        pending(false);
        dialog.close('no');
    }
    document.getElementById('confirm-title').textContent = title;
    document.getElementById('confirm-text').textContent = text;
    document.getElementById('confirm-no').textContent = no;
    const button = document.getElementById('confirm-yes');
    button.textContent = yes;
    button.className = destructive ? 'destructive' : 'primary';
    dialog.returnValue = 'no';
    return new Promise((resolve) => {
        pending = resolve;
        dialog.addEventListener('close', () => {
            if (pending === resolve) {
                pending = null;
                resolve(dialog.returnValue === 'yes');
            }
        }, { once: true });
        dialog.showModal();
    });
}
