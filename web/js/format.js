// SPDX-License-Identifier: GPL-2.0-or-later
//
// Numbers as people read them. What is not known (null) is "–", never 0. Sizes and speeds are
// decimal, as on the packet of a disc. A percent is rounded down: 100 % is said only when it is true.

const NONE = '–';
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

function known(value) {
    return typeof value === 'number' && Number.isFinite(value);
}

export function number(value) {
    return known(value) ? value.toLocaleString() : NONE;
}

export function bytes(value) {
    if (!known(value)) {
        return NONE;
    }
    let unit = 0;
    let size = value;
    while (unit < UNITS.length - 1 && Number(size.toPrecision(3)) >= 1000) {
        size /= 1000;
        unit += 1;
    }
    if (unit === 0) {
        return value === 1 ? '1 byte' : `${number(value)} bytes`;
    }
    const digits = size < 10 ? 2 : size < 100 ? 1 : 0;
    const text = size.toLocaleString(undefined, {
        minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
    return `${text} ${UNITS[unit]}`;
}

export function blockBytes(blocks, blockSize = 2048) {
    return known(blocks) && known(blockSize) ? bytes(blocks * blockSize) : NONE;
}

export function sectors(value) {
    return known(value) ? `${number(value)} ${value === 1 ? 'sector' : 'sectors'}` : NONE;
}

export function duration(seconds) {
    if (!known(seconds) || seconds < 0) {
        return NONE;
    }
    const whole = Math.round(seconds);
    if (whole < 60) {
        return `${whole} s`;
    }
    const two = (part) => String(part).padStart(2, '0');
    if (whole < 3600) {
        return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    }
    const minutes = Math.round(whole / 60);
    return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/* For guesses: nobody believes the seconds of "14 min 37 s left". */
export function roughDuration(seconds) {
    if (!known(seconds) || seconds < 0) {
        return NONE;
    }
    return seconds < 600 ? duration(seconds) : duration(Math.round(seconds / 60) * 60).replace(/ 00 s$/, '');
}

export function rate(kbS, x = null) {
    if (!known(kbS)) {
        return NONE;
    }
    const speed = `${bytes(kbS * 1000)}/s`;
    return known(x) && x > 0
        ? `${speed} (${x.toLocaleString(undefined, { maximumFractionDigits: 1 })}×)` : speed;
}

export function percent(value) {
    return known(value) ? `${wholePercent(value)} %` : NONE;
}

export function wholePercent(value) {
    return Math.max(0, Math.min(100, Math.floor(value)));
}

export function dateTime(text) {
    const time = text ? new Date(text) : null;
    if (!time || Number.isNaN(time.getTime())) {
        return NONE;
    }
    const today = new Date().toDateString() === time.toDateString();
    return today
        ? time.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
        : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

export function clock(text) {
    const time = text ? new Date(text) : null;
    return !time || Number.isNaN(time.getTime()) ? NONE : time.toLocaleTimeString();
}

export function secondsBetween(from, to) {
    const span = (new Date(to) - new Date(from)) / 1000;
    return from && to && Number.isFinite(span) ? span : null;
}

export function speed(value) {
    if (value === null || value === undefined) {
        return NONE;
    }
    if (typeof value === 'object') {
        return known(value.kb_s) ? rate(value.kb_s, value.x ?? null) : known(value.x) ? `${value.x}×` : NONE;
    }
    return typeof value === 'number' ? rate(value) : String(value);
}
