// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the API's words mean to a person. A word that is not listed is shown as it is: a newer server
// may know more than this page.

const PHASES = {
    acquire: 'Taking the recorder', assess: 'Looking at the medium', import: 'Reading what is on the disc',
    settle: 'Looking at the result', load: 'Loading', reload: 'Reloading the disc',
    await_medium: 'Waiting for a medium', stage: 'Preparing', calibrate: 'Calibrating the laser',
    blank: 'Erasing', format: 'Formatting', write_leadin: 'Writing the lead-in', write: 'Writing',
    flush: 'Emptying the buffer', close: 'Closing', verify: 'Verifying', read: 'Reading',
    eject: 'Ejecting', ended: 'Ended',
};

const ACTIVITIES = {
    inspecting: 'looking at the medium', awaiting_medium: 'waiting for a medium', loading: 'loading',
    preparing: 'preparing', burning: 'burning', simulating: 'simulating', closing: 'closing',
    blanking: 'erasing', formatting: 'formatting', reading: 'reading', verifying: 'verifying',
    ejecting: 'ejecting',
};

const REASONS = {
    recorder_busy: 'the recorder is busy', queue_paused: 'the queue is paused',
    bus_limit: 'too many recorders of its bus are at work', shutting_down: 'burnd is shutting down',
    user_hold: 'held by a person', scheduled: 'scheduled for later',
    ruined_disc_limit: 'too many discs were ruined', no_eligible_recorder: 'no recorder can do it',
    recorder_in_use: 'another program uses the recorder', recorder_offline: 'the recorder is unplugged',
    recorder_quarantined: 'the recorder is quarantined', recorder_disabled: 'the recorder is switched off',
    tray_open: 'the tray is open', medium_missing: 'no medium is loaded',
    medium_not_blank: 'the medium is not blank', medium_not_appendable: 'nothing can be added to the medium',
    medium_not_erasable: 'the medium can not be erased', medium_wrong_profile: 'wrong kind of medium',
    medium_too_small: 'the medium is too small', medium_wrong_disc: 'it is another disc',
    medium_write_protected: 'the medium is write-protected', medium_damaged: 'the medium is damaged',
    medium_unsupported: 'the medium is not supported', medium_not_ready: 'the medium is not ready',
    source_missing: 'the source is missing', source_changed: 'the source changed',
    upload_incomplete: 'the upload is not complete', spool_full: 'the spool is full',
    attempt_unknown: 'nobody knows yet how the burn ended', conflict_pending: 'a conflict is not decided',
    confirmation_required: 'a person must confirm',
};

const USER_ACTIONS = {
    insert_blank_medium: 'Insert a blank medium (or eject this one), or allow it to be overwritten.',
    insert_right_medium: 'Insert the right medium.',
    insert_larger_medium: 'Insert a larger medium, or choose less.',
    blank_medium: 'Erase the medium first, or insert a blank one.',
    discard_medium: 'Throw this disc away and use a new one.',
    lower_speed: 'Try again at a lower speed.', check_recorder: 'Look at the recorder.',
    reconnect_recorder: 'Plug the recorder in again.',
    release_recorder: 'Close the other program or unmount the disc.',
    clean_or_replace_medium: 'Clean the disc or use another one.', free_space: 'Make room on the server.',
    fix_source: 'Put the source right and try again.', fix_request: 'Change the marked fields.',
    confirm_outcome: 'Look at the disc and say whether it is good.',
    resolve_conflict: 'Decide the conflict.', retry: 'Try again.',
};

const KINDS = { optical: 'drive', virtual: 'virtual recorder', file: 'image file' };

const OUTCOMES = {
    good: 'disc good', ruined: 'disc ruined', unharmed: 'medium unharmed', unknown: 'not known',
};

const ADVICE = {
    keep: 'keep the disc', discard: 'throw the disc away', blank: 'erase it before using it again',
    reuse: 'the medium can be used again', check: 'check the disc',
};

const VERIFIED = { full: 'verified in full', quick: 'verified quickly', none: 'not verified' };

function look(table, word) {
    if (word === null || word === undefined) {
        return null;
    }
    return Object.hasOwn(table, word) ? table[word] : plain(word);
}

/* medium_not_blank → "medium not blank" */
export function plain(word) {
    return String(word).replaceAll('_', ' ');
}

export const phase = (word) => look(PHASES, word);
export const activity = (word) => look(ACTIVITIES, word);
export const reason = (word) => look(REASONS, word);
export const kind = (word) => look(KINDS, word);
export const outcome = (word) => look(OUTCOMES, word);
export const advice = (word) => look(ADVICE, word);
export const verified = (word) => look(VERIFIED, word);

export function userAction(word) {
    return word === 'none' ? null : look(USER_ACTIONS, word);
}

/* The profile as it is printed on discs: "dvd+rw" → "DVD+RW"; libburn's stdio is our image file. */
export function profile(word) {
    if (!word) {
        return null;
    }
    return word === 'stdio' ? 'image file' : word.toUpperCase().replace(/-DL$/, ' DL');
}

export function recorderName(recorder) {
    if (!recorder) {
        return null;
    }
    const model = [recorder.vendor, recorder.product].filter(Boolean).join(' ');
    return recorder.alias || (recorder.kind === 'file' ? recorder.id : model) || recorder.id;
}

/* Where a job's content comes from, as its document says it. */
export function jobSource(job) {
    const entries = job.data?.entries ?? [];
    if (entries.length > 0) {
        const first = entries[0].from ?? entries[0].to;
        return entries.length === 1 ? first : `${first} and ${entries.length - 1} more`;
    }
    return job.image?.from ?? job.copy?.source ?? job.sync?.source ?? null;
}

/* The title, or the last part of the source: "root:demo/iso/debian.iso" → "debian.iso". */
export function jobName(job) {
    const source = jobSource(job);
    return job.title || job.data?.volume_id || source?.split(/[/:]/).filter(Boolean).pop() || job.id;
}
