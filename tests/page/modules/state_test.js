// SPDX-License-Identifier: GPL-2.0-or-later

import { equal, truth } from './expect.js';
import * as state from '/js/state.js';

const J = 'job_1';

function answer(data, seq = 100) {
    return { data, seq: `e1:${seq}` };
}

function job(more = {}) {
    return { id: J, state: 'running', type: 'data', copies: 1, percent: 5, reasons: [], problem: null, active: [], ...more };
}

function model({ jobs = [job()], recorders = [], attention = [], seq = 100 } = {}) {
    return state.fromSnapshots({
        info: answer({ epoch: 'e1', seq }, seq), recorders: answer({ items: recorders, next_cursor: null }, seq),
        jobs: answer({ items: jobs, next_cursor: null }, seq), attention: answer({ items: attention }, seq),
    });
}

function event(type, seq, data, more = {}) {
    return {
        epoch: 'e1', seq, time: '2026-11-20T10:00:00.000Z', type, job: J, copy: 1, attempt: 1,
        recorder: 'disc1', data, ...more,
    };
}

function run(start, ...events) {
    return events.reduce(state.reduce, start);
}

function freeze(value) {
    Object.values(value).forEach((part) => part && typeof part === 'object' && freeze(part));
    return Object.freeze(value);
}

export function events_change_nothing_that_was_given() {
    const start = freeze(model({ recorders: [{ id: 'disc1', state: 'idle' }] }));
    const end = run(start,
        event('attempt.phase', 101, { phase: 'write', cancel: 'safe' }),
        event('progress.block', 102, { scope: 'disc', percent: 50 }),
        event('recorder.state', 103, { id: 'disc1', state: 'busy' }, { job: null }),
        event('copy.state', 104, { from: 'running', to: 'done' }),
        event('job.state', 105, { from: 'running', to: 'completed', reasons: [], problem: null }));
    equal(start.jobs[J].state, 'running');
    equal(end.jobs[J].state, 'completed');
    equal(end.recorders.disc1.state, 'busy');
}

export function an_event_that_the_snapshot_contains_is_ignored() {
    const start = model({ jobs: [job({ state: 'completed' })], recorders: [{ id: 'disc1', state: 'idle' }] });
    const end = run(start,
        event('job.state', 99, { from: 'queued', to: 'running' }),
        event('recorder.state', 100, { id: 'disc1', state: 'busy' }));
    equal(end.jobs[J].state, 'completed');
    equal(end.recorders.disc1.state, 'idle');
}

export function full_progress_does_not_complete_a_job() {
    const end = run(model(),
        event('attempt.phase', 101, { phase: 'write', cancel: 'safe' }),
        event('progress.block', 102, { scope: 'disc', completed: 10, total: 10, percent: 100 }),
        event('attempt.phase', 103, { phase: 'ended', cancel: 'safe', outcome: 'good' }),
        event('copy.state', 104, { from: 'running', to: 'done' }));
    equal(end.jobs[J].state, 'running');
    equal(state.activeCopies(end, J), []);
    truth(end.stale[J], 'it must be fetched');
}

export function phases_show_their_own_progress() {
    let now = run(model(), event('attempt.phase', 101, { phase: 'write', cancel: 'ruins_disc' }),
        event('progress.block', 102, { scope: 'disc', percent: 40 }),
        event('progress.block', 103, { scope: 'track', track: 1, percent: 90 }),
        event('progress.file', 104, { path: '/a', side: 'write' }));
    let [copy] = state.activeCopies(now, J);
    equal(state.phaseProgress(copy).percent, 40);
    equal(copy.track_block.percent, 90);
    equal(copy.file.path, '/a');
    equal(state.cancelEffect(now, J), 'ruins_disc');
    now = run(now, event('attempt.phase', 105, { phase: 'close', cancel: 'impossible', expected_s: 30 }));
    [copy] = state.activeCopies(now, J);
    equal(state.phaseProgress(copy).percent, null, 'closing has no percent');
    equal(copy.expected_s, 30);
    equal(state.cancelEffect(now, J), 'impossible');
    now = run(now, event('attempt.phase', 106, { phase: 'verify', cancel: 'safe' }),
        event('progress.verify', 107, { percent: 3 }));
    equal(state.phaseProgress(state.activeCopies(now, J)[0]).percent, 3);
    equal(state.cancelEffect(now, J), 'safe');
}

export function a_new_attempt_begins_with_nothing_and_the_old_one_is_over() {
    const end = run(model(), event('attempt.phase', 101, { phase: 'write', cancel: 'safe' }),
        event('progress.block', 102, { scope: 'disc', percent: 80 }),
        event('attempt.phase', 103, { phase: 'acquire', cancel: 'safe' }, { attempt: 2 }),
        event('progress.block', 104, { scope: 'disc', percent: 81 }, { attempt: 1 }));
    const [copy] = state.activeCopies(end, J);
    equal(copy.attempt, 2);
    equal(copy.block, undefined);
}

export function an_older_answer_does_not_go_back_in_time() {
    const later = run(model(), event('job.state', 120, { from: 'running', to: 'failed', problem: { code: 'write_error' } }));
    const end = state.withJob(later, answer(job(), 110));
    equal(end.jobs[J].state, 'failed');
    truth(end.stale[J]);
    const fresh = state.withJob(later, answer(job({ state: 'failed', ended_at: 'x' }), 120));
    equal(fresh.jobs[J].ended_at, 'x');
    equal(fresh.stale, {});
}

export function progress_answer_fills_what_a_reload_missed() {
    const start = model({ jobs: [job({ active: [{ copy: 1, state: 'running', recorder: 'disc1', attempt: 1, phase: 'write', cancel: 'safe' }] })] });
    equal(state.activeCopies(start, J)[0].phase, 'write');
    const end = state.withProgress(start, answer({
        job: J, state: 'running', percent: 31, eta_s: 7,
        copies: [{ copy: 1, state: 'running', attempt: 1, recorder: 'disc1', phase: 'write', cancel: 'safe', percent: 31, block: { percent: 44 } }],
    }));
    equal(end.jobs[J].percent, 31);
    equal(state.phaseProgress(state.activeCopies(end, J)[0]).percent, 44);
    equal(end.stale, {});
    truth(state.withProgress(start, answer({ job: J, state: 'completed', percent: 100, copies: [] })).stale[J],
        'another state than ours is looked into');
    const over = model({ jobs: [job({ state: 'completed', percent: 100 })] });
    equal(state.withProgress(over, answer({ job: J, percent: 50, copies: [] })).jobs[J].percent, 100);
}

export function jobs_come_and_go() {
    let now = run(model({ jobs: [] }), event('job.created', 101, { state: 'queued', type: 'image', title: 'T', copies: 1 }));
    equal(now.jobs[J].title, 'T');
    truth(now.stale[J]);
    now = run(now, event('job.state', 102, { from: 'queued', to: 'queued', reasons: ['recorder_busy'], needs_person: false }));
    equal(now.jobs[J].reasons, ['recorder_busy']);
    now = run(now, event('job.deleted', 103, {}));
    equal(now.jobs, {});
    equal(now.stale, {});
    now = run(now, event('job.state', 104, { to: 'running' }, { job: 'job_unknown' }));
    truth(now.stale.job_unknown, 'a job never heard of is fetched');
}

export function the_list_shows_unfinished_jobs_first_and_then_the_newest() {
    const now = model({ jobs: [job({ id: 'job_4', state: 'failed' }), job({ id: 'job_3', state: 'completed' }),
        job({ id: 'job_2', state: 'running' }), job({ id: 'job_1', state: 'waiting' })] });
    equal(state.jobList(now).map((entry) => entry.id), ['job_2', 'job_1', 'job_4', 'job_3']);
    equal(state.headline(now).job.id, 'job_2');
    equal(state.headline(model({ jobs: [] })), null);
}

export function media_and_removal_change_the_recorder() {
    const start = model({ recorders: [{ id: 'disc1', state: 'idle', medium: { state: 'blank' } }] });
    let now = run(start, event('medium.changed', 101, { state: 'closed' }));
    equal(now.recorders.disc1.medium.state, 'closed');
    now = run(now, event('medium.removed', 102, { state: 'closed' }));
    equal(now.recorders.disc1.medium, null);
    now = run(now, event('recorder.removed', 103, { id: 'disc1', state: 'offline' }));
    equal(now.recorders.disc1.state, 'offline');
    truth(now.recordersStale);
}

export function attention_is_raised_updated_and_cleared() {
    const about = { id: 'atn_1', severity: 'warning', code: 'insert_medium', text: 'a', actions: [] };
    let now = run(model(), event('attention.raised', 101, about), event('attention.updated', 102, { ...about, text: 'b' }),
        event('attention.raised', 103, { ...about, id: 'atn_2', severity: 'error' }));
    equal(state.attentionList(now).map((item) => item.id), ['atn_2', 'atn_1']);
    equal(now.attention.atn_1.text, 'b');
    now = run(now, event('attention.cleared', 104, about), event('attention.updated', 103, about));
    equal(Object.keys(now.attention), ['atn_2']);
}

export function the_unknown_event_is_no_accident() {
    const start = model();
    equal(state.reduce(start, event('something.new', 101, {})) === start, true);
    run(start, event('progress.novel', 102, { percent: 1 }), event('progress.sync', 103, {}, { copy: null }));
}

export function seq_is_read_with_care() {
    equal(state.parseSeq('a:b:17'), { epoch: 'a:b', seq: 17 });
    equal(state.parseSeq(null), { epoch: null, seq: -1 });
    equal(state.parseSeq('nonsense'), { epoch: null, seq: -1 });
}
