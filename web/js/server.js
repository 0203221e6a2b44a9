// SPDX-License-Identifier: GPL-2.0-or-later
//
// The only fetch of the page. Everything that goes wrong becomes a ServerError: the server's problem
// object (RFC 9457), or one of our own codes `offline`, `timeout`, `bad_answer`. POSTs carry an
// Idempotency-Key, so that sending one again can't do the thing twice.

const BASE = new URL('api/v1/', document.baseURI);
const TIMEOUT_MS = 15000;

export class ServerError extends Error {
    constructor(problem) {
        super(problem.detail ?? problem.title ?? problem.code);
        this.name = 'ServerError';
        this.status = problem.status ?? null;
        this.code = problem.code ?? 'unknown';
        this.detail = problem.detail ?? problem.title ?? null;
        this.fields = problem.errors ?? [];
        this.userAction = problem.user_action ?? null;
        this.retryable = problem.retryable ?? false;
        this.problem = problem;
    }
}

export function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function eventsUrl(query) {
    const url = new URL('events', BASE);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = new URLSearchParams(query).toString();
    return url.href;
}

/* {data, seq: "EPOCH:SEQ" or null, status}; data is the JSON value, or the text of a text/plain answer. */
export function get(path, query = {}, options = {}) {
    return request('GET', path, { ...options, query });
}

export function post(path, body, options = {}) {
    return request('POST', path, { ...options, body });
}

async function request(method, path, { query = {}, body, key, signal, timeoutMs = TIMEOUT_MS }) {
    const url = new URL(path.replace(/^\//, ''), BASE);
    for (const [name, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== '') {
            url.searchParams.set(name, value);
        }
    }
    const headers = { Accept: 'application/json, application/problem+json, text/plain' };
    if (method === 'POST') {
        headers['Idempotency-Key'] = key ?? newKey();
    }
    if (body !== undefined) {
        headers['Content-Type'] = 'application/json';
    }
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort('timeout'), timeoutMs);
    const leave = () => deadline.abort('left');
    signal?.addEventListener('abort', leave);
    if (signal?.aborted) {
        leave();
    }
    try {
        const response = await fetch(url, {
            method,
            headers,
            body: body === undefined ? undefined : JSON.stringify(body),
            signal: deadline.signal,
            credentials: 'same-origin',
            cache: 'no-store',
        });
        return await understand(response);
    } catch (error) {
        if (error instanceof ServerError || signal?.aborted) {
            throw error;
        }
        if (deadline.signal.aborted) {
            throw new ServerError({
                code: 'timeout',
                detail: `No answer within ${Math.round(timeoutMs / 1000)} seconds.`,
                user_action: 'retry', retryable: true,
            });
        }
        throw new ServerError({
            code: 'offline', detail: 'burnd can not be reached.', user_action: 'retry', retryable: true,
        });
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', leave);
    }
}

async function understand(response) {
    const text = await response.text();
    let data = null;
    if (response.ok && isText(response)) {
        data = text;
    } else if (text !== '') {
        try {
            data = JSON.parse(text);
        } catch {
            data = undefined;
        }
    }
    if (!response.ok) {
        const problem = data && typeof data === 'object' ? data : {};
        throw new ServerError({
            code: 'bad_answer', detail: `burnd answered ${response.status}.`, ...problem,
            status: response.status,
        });
    }
    if (data === undefined) {
        throw new ServerError({
            status: response.status, code: 'bad_answer', detail: 'The answer is not JSON.',
        });
    }
    return { data, seq: response.headers.get('Burnd-Seq'), status: response.status };
}

function isText(response) {
    return (response.headers.get('Content-Type') ?? '').startsWith('text/plain');
}
