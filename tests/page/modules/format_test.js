// SPDX-License-Identifier: GPL-2.0-or-later

import { equal, truth } from './expect.js';
import * as format from '/js/format.js';

export function the_unknown_is_a_dash_not_zero() {
    for (const name of ['number', 'bytes', 'sectors', 'duration', 'roughDuration', 'rate', 'percent', 'dateTime', 'speed']) {
        equal(format[name](null), '–', name);
        equal(format[name](undefined), '–', name);
    }
    equal(format.blockBytes(null, 2048), '–');
    equal(format.secondsBetween(null, '2026-01-01T00:00:00.000Z'), null);
}

export function bytes_are_decimal_with_three_digits() {
    equal(format.bytes(0), '0 bytes');
    equal(format.bytes(1), '1 byte');
    equal(format.bytes(999), '999 bytes');
    equal(format.bytes(1000), '1.00 kB');
    equal(format.bytes(999999), '1.00 MB');
    equal(format.bytes(4700372992), '4.70 GB');
    equal(format.bytes(25025314816), '25.0 GB');
    equal(format.bytes(734003200), '734 MB');
    equal(format.blockBytes(2295104), '4.70 GB');
    equal(format.sectors(1), '1 sector');
    equal(format.sectors(359847), '359,847 sectors');
}

export function a_hundred_percent_is_said_only_when_it_is_true() {
    equal(format.percent(0), '0 %');
    equal(format.percent(99.999), '99 %');
    equal(format.percent(100), '100 %');
    equal(format.percent(-3), '0 %');
}

export function durations() {
    equal(format.duration(0), '0 s');
    equal(format.duration(59.4), '59 s');
    equal(format.duration(125), '2 min 05 s');
    equal(format.duration(3599.6), '1 h 00 min');
    equal(format.duration(5400), '1 h 30 min');
    equal(format.duration(-1), '–');
    equal(format.roughDuration(877), '15 min');
}

export function rates_and_speeds() {
    equal(format.rate(11080, 8), '11.1 MB/s (8×)');
    equal(format.rate(3000), '3.00 MB/s');
    equal(format.rate(8467, 48.04), '8.47 MB/s (48×)');
    equal(format.speed('max'), 'max');
    equal(format.speed({ x: 8 }), '8×');
    equal(format.speed({ kb_s: 11080 }), '11.1 MB/s');
}

export function dates_are_the_readers_own() {
    equal(format.dateTime('nonsense'), '–');
    truth(format.dateTime('2020-02-03T04:05:06.000Z').includes('2020'));
    equal(format.secondsBetween('2026-01-01T00:00:00.000Z', '2026-01-01T00:01:30.500Z'), 90.5);
}
