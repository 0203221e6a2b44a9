// SPDX-License-Identifier: GPL-2.0-or-later
//
// The only WebSocket of the page: it keeps one connection to /events and says what it knows about it.
//
//     connecting ── hello ──► live ── closed, silent for 30 s ──► lost ── countdown ──► connecting
//
// The cursor EPOCH:SEQ of the last event makes a new connection go on where the old one ended. When
// the server can't (stream.reset, another epoch), or before the first connection, the state is loaded
// anew: load() gets it through REST, with the cursor it reflects. Events that arrive meanwhile
// are kept and handed over afterwards; the reducer ignores those already contained.

const SILENCE_MS = 30000;
const OPEN_MS = 10000;
const BACKOFF_S = [1, 2, 4, 8, 15];
const RATE_HZ = 10;

export class Live {
    /* url(query) → address · load() → Promise of {cursor or null, apply()} · event(e) ·
     * status(s, {retryInS, error}). `Socket` and `random` are for tests. */
    constructor({ url, load, event, status, Socket = WebSocket, random = Math.random }) {
        Object.assign(this, { url, load, event, status, Socket, random });
        this.cursor = null;
        this.socket = null;
        this.kept = null;
        this.failures = 0;
        this.retryTimer = null;
        this.watchdog = null;
        this.lastFrame = 0;
        this.greeted = false;
        this.state = 'idle';
    }

    start() {
        this.#connect();
    }

    /* A person asked, the tab woke up, or the network is back. Harmless at any time. */
    nudge() {
        if (this.state === 'lost') {
            this.#connect();
        } else if (this.state === 'live' && Date.now() - this.lastFrame > SILENCE_MS) {
            this.#lost(new Error('silent'));
        }
    }

    async #connect() {
        clearTimeout(this.retryTimer);
        this.#say('connecting');
        if (this.cursor === null && !(await this.#reload())) {
            return;
        }
        const query = { max_rate_hz: RATE_HZ };
        if (this.cursor !== null) {
            query.since = this.cursor;
        }
        let socket;
        try {
            socket = new this.Socket(this.url(query), ['burnd.v1']);
        } catch (error) {
            this.#lost(error);
            return;
        }
        this.socket = socket;
        this.greeted = false;
        this.#watch(OPEN_MS);
        socket.onmessage = (message) => {
            if (socket === this.socket) {
                this.#frame(message.data);
            }
        };
        socket.onclose = (close) => {
            if (socket === this.socket) {
                this.#lost(new Error(`closed ${close.code}`), close.code);
            }
        };
    }

    #frame(text) {
        this.lastFrame = Date.now();
        this.#watch(SILENCE_MS);
        let event;
        try {
            event = JSON.parse(text);
        } catch {
            return;
        }
        if (event.type === 'hello') {
            this.#hello(event);
        } else if (event.type === 'stream.reset') {
            this.#reset();
        } else if (event.seq !== null && event.seq !== undefined) {
            this.#take(event);
        }
    }

    #hello(event) {
        this.greeted = true;
        this.failures = 0;
        const epoch = event.data?.epoch ?? event.epoch;
        const known = this.cursor?.slice(0, this.cursor.lastIndexOf(':'));
        if (this.cursor !== null && (epoch !== known || event.data?.resumed === false)) {
            this.#reset();
        } else if (this.kept === null) {
            this.#say('live');
        }
    }

    #take(event) {
        this.cursor = `${event.epoch}:${event.seq}`;
        if (this.kept) {
            this.kept.push(event);
        } else {
            this.event(event);
        }
    }

    async #reset() {
        if (this.kept === null && await this.#reload() && this.greeted) {
            this.#say('live');
        }
    }

    /* False when it failed (the connection is then lost and will be tried again) or came too late. */
    async #reload() {
        const kept = [];
        this.kept = kept;
        let snapshot;
        try {
            snapshot = await this.load();
        } catch (error) {
            if (this.kept === kept) {
                this.#lost(error);
            }
            return false;
        }
        if (this.kept !== kept) {
            return false;
        }
        this.kept = null;
        snapshot.apply();
        if (kept.length === 0) {
            this.cursor = snapshot.cursor;
        }
        kept.forEach((event) => this.event(event));
        return true;
    }

    #watch(milliseconds) {
        clearTimeout(this.watchdog);
        this.watchdog = setTimeout(() => this.#lost(new Error('silent')), milliseconds);
    }

    #lost(error, closeCode = null) {
        clearTimeout(this.watchdog);
        clearTimeout(this.retryTimer);
        const socket = this.socket;
        this.socket = null;
        socket?.close();
        if (this.kept !== null) { /* a reload was under way: what it brings belongs to the past */
            this.cursor = null;
            this.kept = null;
        }
        const step = BACKOFF_S[Math.min(this.failures, BACKOFF_S.length - 1)];
        this.failures += 1;
        /* 4008: we fell behind, the server is well. Otherwise spread the clients out. */
        const seconds = closeCode === 4008 ? 0.1 : step * (0.75 + 0.5 * this.random());
        this.#say('lost', { retryInS: seconds, error, closeCode });
        this.retryTimer = setTimeout(() => this.#connect(), seconds * 1000);
    }

    #say(state, more = {}) {
        this.state = state;
        this.status(state, more);
    }
}
