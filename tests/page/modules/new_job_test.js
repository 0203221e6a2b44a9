// SPDX-License-Identifier: GPL-2.0-or-later

import { equal } from './expect.js';
import { buildDocument, destruction, fieldForPointer } from '/js/new_job.js';

const FORM = {
    source: { type: 'data', from: 'root:demo/photos' }, title: '', volumeId: '', recorder: 'disc1', copies: 1,
    verify: 'full', simulate: false, destroy: null,
};

export function a_folder_becomes_a_data_job_and_an_iso_an_image_job() {
    equal(buildDocument(FORM), {
        type: 'data', target: { recorder: 'disc1' },
        data: { entries: [{ from: 'root:demo/photos', to: '/' }] }, verify: 'full',
    });
    equal(buildDocument({ ...FORM, source: { type: 'image', from: 'root:demo/x.iso' }, volumeId: 'NO', title: 'X', copies: 3 }), {
        type: 'image', title: 'X', copies: 3, target: { recorder: 'disc1' },
        image: { from: 'root:demo/x.iso' }, verify: 'full',
    });
}

export function nothing_is_destroyed_without_saying_so() {
    equal(buildDocument(FORM).burn, undefined);
    equal(buildDocument({ ...FORM, destroy: 'overwrite' }).burn, { force_overwrite: true });
    equal(buildDocument({ ...FORM, destroy: 'erase' }).burn, { blank_first: 'if_needed' });
}

export function a_simulation_has_nothing_to_verify() {
    const job = buildDocument({ ...FORM, simulate: true });
    equal(job.burn, { simulate: true });
    equal(job.verify, 'none');
}

export function only_a_medium_that_holds_something_asks() {
    const recorder = (medium) => ({ id: 'r', kind: 'optical', medium });
    equal(destruction(undefined), null);
    equal(destruction(recorder(null)), null);
    equal(destruction(recorder({ state: 'blank', overwritable: true })), null);
    equal(destruction(recorder({ state: 'closed', overwritable: true })).way, 'overwrite');
    equal(destruction(recorder({ state: 'closed', erasable: true })).way, 'erase');
    equal(destruction(recorder({ state: 'closed' })).way, null);
}

export function an_error_finds_its_field_by_the_longest_pointer() {
    const fields = [{ id: 'source', pointers: ['/data/entries', '/image'] }, { id: 'volume', pointers: ['/data/volume_id'] },
        { id: 'target', pointers: ['/target'] }];
    const id = (pointer) => fieldForPointer(fields, pointer)?.id ?? null;
    equal(id('/data/entries/0/from'), 'source');
    equal(id('/image/from'), 'source');
    equal(id('/data/volume_id'), 'volume');
    equal(id('/target/recorder'), 'target');
    equal(id('/targets'), null);
    equal(id(''), null);
}
