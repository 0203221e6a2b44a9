// SPDX-License-Identifier: GPL-2.0-or-later

import { equal, truth } from './expect.js';
import { Live } from '/js/live.js';

/* A Live with sockets made by hand; `loads` is what load() gives, an Error = it fails. */
function bench(loads) {
    const seen = { sockets: [], events: [], states: [], applied: [], loads: 0 };
    class Socket {
        constructor(url, protocols) {
            Object.assign(this, { url, protocols });
            seen.sockets.push(this);
        }

        close() {
            this.closed = true;
        }

        say(type, seq, data = {}, epoch = 'e1') {
            this.onmessage({ data: JSON.stringify({ epoch, seq, type, data }) });
        }

        hello(resumed = true, epoch = 'e1') {
            this.say('hello', null, { epoch, resumed }, epoch);
        }
    }
    const live = new Live({
        url: (query) => JSON.stringify(query), Socket, random: () => 0,
        load: async () => {
            const next = loads[Math.min(seen.loads, loads.length - 1)];
            seen.loads += 1;
            if (next instanceof Error) {
                throw next;
            }
            const cursor = await (typeof next === 'function' ? next() : next);
            return { cursor, apply: () => seen.applied.push(cursor) };
        },
        event: (event) => seen.events.push(event.seq),
        status: (state) => seen.states.push(state),
    });
    const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
    const stop = () => {
        clearTimeout(live.retryTimer);
        clearTimeout(live.watchdog);
    };
    return { live, seen, settle, stop };
}

export async function it_loads_first_and_asks_for_what_came_since() {
    const { live, seen, settle, stop } = bench(['e1:7']);
    live.start();
    await settle();
    equal(JSON.parse(seen.sockets[0].url), { max_rate_hz: 10, since: 'e1:7' });
    equal(seen.sockets[0].protocols, ['burnd.v1']);
    seen.sockets[0].hello();
    seen.sockets[0].say('job.state', 8);
    seen.sockets[0].say('heartbeat', null);
    equal(seen.events, [8]);
    equal(seen.states, ['connecting', 'live']);
    stop();
}

export async function a_lost_connection_is_resumed_where_it_ended() {
    const { live, seen, settle, stop } = bench(['e1:7']);
    live.start();
    await settle();
    seen.sockets[0].hello();
    seen.sockets[0].say('job.state', 9);
    seen.sockets[0].onclose({ code: 1006 });
    equal(live.state, 'lost');
    live.nudge();
    await settle();
    equal(JSON.parse(seen.sockets[1].url).since, 'e1:9');
    equal(seen.loads, 1);
    seen.sockets[0].say('job.state', 10);
    equal(seen.events, [9], 'a socket that was given up is not heard');
    stop();
}

export async function a_reset_loads_anew_and_keeps_what_comes_meanwhile() {
    let arrive;
    const { live, seen, settle, stop } = bench(['e1:7', () => new Promise((resolve) => { arrive = resolve; })]);
    live.start();
    await settle();
    const [socket] = seen.sockets;
    socket.hello(false, 'e2');
    socket.say('stream.reset', null, {}, 'e2');
    socket.say('job.state', 3, {}, 'e2');
    equal(seen.events, [], 'not before the state is there');
    equal(seen.loads, 2, 'once for both signs of it');
    arrive('e2:2');
    await settle();
    equal(seen.events, [3]);
    equal(live.cursor, 'e2:3');
    equal(live.state, 'live');
    stop();
}

export async function when_loading_fails_it_is_lost_and_loads_again() {
    const { live, seen, settle, stop } = bench([new Error('away'), 'e1:1']);
    live.start();
    await settle();
    equal(live.state, 'lost');
    equal(seen.sockets.length, 0);
    live.nudge();
    await settle();
    equal(seen.loads, 2);
    equal(seen.sockets.length, 1);
    stop();
}

export async function a_reset_cut_off_in_the_middle_is_not_forgotten() {
    let arrive;
    const { live, seen, settle, stop } = bench(['e1:7', () => new Promise((resolve) => { arrive = resolve; }), 'e2:5']);
    live.start();
    await settle();
    seen.sockets[0].hello(false, 'e2');
    seen.sockets[0].say('job.state', 4, {}, 'e2');
    seen.sockets[0].onclose({ code: 1006 });
    live.nudge();
    await settle();
    equal(seen.loads, 3);
    equal(JSON.parse(seen.sockets[1].url).since, 'e2:5');
    truth(!seen.events.includes(4));
    arrive('e2:3');
    await settle();
    equal(seen.applied, ['e1:7', 'e2:5'], 'an answer that comes too late is not used');
    equal(live.cursor, 'e2:5');
    stop();
}
