// SPDX-License-Identifier: GPL-2.0-or-later

export function equal(actual, expected, message = '') {
    const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (left !== right) {
        throw new Error(`${message} expected ${right}, got ${left}`);
    }
}

export function truth(value, message = 'not true') {
    if (!value) {
        throw new Error(message);
    }
}
