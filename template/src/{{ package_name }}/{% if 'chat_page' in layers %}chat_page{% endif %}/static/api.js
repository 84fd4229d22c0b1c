/** The API of the service, as the page uses it: requests, problem documents, and streams that continue after a failure. */

/**
 * @typedef {{ session_id: string, title: string | null, turn_count: number, created_at: string, updated_at: string }} Session
 * @typedef {{ type: string, detail: string, retry_after: number | null, resets: string | null }} TurnError
 * @typedef {"queued" | "running" | "waiting_for_approval" | "succeeded" | "failed" | "cancelled"} Status
 * @typedef {{ event: string, id?: string, data: any }} StreamEvent
 * @typedef {{ turn: number, status: Status, message: string, response: string | null, error: TurnError | null,
 *   finish_reason: string | null, output: Record<string, unknown> | null, created_at: string, finished_at: string | null,
 *   steps?: { event: string, data: any }[] | null }} TurnView
 * @typedef {{ call_id: string, name: string, arguments: any, expires_at: string, approved: boolean | null }} Approval
 */

const FIRST_PAUSE = 400; // milliseconds
const LONGEST_PAUSE = 10_000;
const SILENCE = 40_000; // the service sends a comment every 15 seconds

/** An error of the API: a problem document (RFC 9457), or `network` if there was no answer. */
export class Problem extends Error {
  /**
   * @param {string} kind the part after `urn:problem:`, or `network`
   * @param {number} status
   * @param {{ title?: string, detail?: string, resets?: string }} [document]
   * @param {number | null} [retryAfter] in seconds
   */
  constructor(kind, status, document = {}, retryAfter = null) {
    super(document.detail || document.title || kind);
    this.kind = kind;
    this.status = status;
    this.title = document.title || "";
    this.resets = document.resets || null;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    return this.status === 0 || this.status === 408 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** @param {Response} response */
async function problemOf(response) {
  /** @type {any} */
  let document = {};
  try {
    document = await response.json();
  } catch {
    // not from the service: a proxy's page
  }
  const kind = String(document.type || "").replace("urn:problem:", "") || "about:blank";
  const seconds = Number(response.headers.get("Retry-After"));
  return new Problem(kind, response.status, document, seconds > 0 ? seconds : null);
}

/**
 * Wait, or until the network is back, or until `signal` aborts.
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
  });
}

/**
 * The events of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). Comments are yielded as `null`.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<StreamEvent | null, void, void>}
 */
export async function* readEvents(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value;
      const blocks = buffer.split(/\r?\n\r?\n/);
      buffer = blocks.pop() || "";
      for (const block of blocks) yield parseEvent(block);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} block
 * @returns {StreamEvent | null}
 */
function parseEvent(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    fields[name] = name === "data" && name in fields ? `${fields[name]}\n${value}` : value;
  }
  if (fields.data === undefined) return null;
  return { event: fields.event || "message", id: fields.id, data: JSON.parse(fields.data) };
}

/** A client with one credential. */
export class Api {
  /**
   * @param {string} root the prefix of all addresses
   * @param {() => Promise<string | null>} token
   */
  constructor(root, token) {
    this.root = root;
    this.token = token;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: any, headers?: Record<string, string>, signal?: AbortSignal }} [options]
   * @returns {Promise<Response>}
   */
  async request(method, path, { body, headers = {}, signal } = {}) {
    const token = await this.token();
    /** @type {Record<string, string>} */
    const all = { ...headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    if (body !== undefined) all["Content-Type"] = "application/json";
    /** @type {Response} */
    let response;
    try {
      response = await fetch(this.root + path, {
        method,
        headers: all,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        signal,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("network", 0);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ body?: any, headers?: Record<string, string>, signal?: AbortSignal }} [options]
   * @returns {Promise<any>}
   */
  async json(method, path, options) {
    const response = await this.request(method, path, options);
    return response.status === 204 ? null : response.json();
  }

  /**
   * @param {string | null} [cursor]
   * @returns {Promise<{ sessions: Session[], next_cursor: string | null }>}
   */
  sessions(cursor) {
    return this.json("GET", `/chat/sessions?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  }

  /** @returns {Promise<string>} the id of the new session */
  async createSession() {
    return (await this.json("POST", "/chat/sessions")).session_id;
  }

  /** @param {string} session */
  deleteSession(session) {
    return this.json("DELETE", `/chat/sessions/${session}`);
  }

  /**
   * @param {string} session
   * @param {number} [after]
   * @returns {Promise<TurnView[]>}
   */
  async history(session, after = 0) {
    return (await this.json("GET", `/chat/sessions/${session}/history?steps=true&after=${after}`)).history;
  }

  /**
   * @param {string} session
   * @param {number} turn
   * @returns {Promise<TurnView>}
   */
  cancel(session, turn) {
    return this.json("POST", `/chat/sessions/${session}/turns/${turn}/cancel`);
  }

  /**
   * @param {string} session
   * @param {number} turn
   * @returns {Promise<Approval[]>}
   */
  async approvals(session, turn) {
    return (await this.json("GET", `/chat/sessions/${session}/turns/${turn}/approvals`)).approvals;
  }

  /**
   * @param {string} session
   * @param {number} turn
   * @param {string} call
   * @param {boolean} approved
   * @returns {Promise<TurnView>}
   */
  decide(session, turn, call, approved) {
    const path = `/chat/sessions/${session}/turns/${turn}/approvals/${encodeURIComponent(call)}`;
    return this.json("POST", path, { body: { approved } });
  }

  /**
   * The events of a turn to its end. A lost connection is opened again, and continues after the last event seen.
   *
   * With `message`, the turn is started: repeating that request under its key returns the same turn.
   * @param {string} session
   * @param {{ turn?: number, message?: { text: string, key: string }, signal: AbortSignal,
   *   onconnection?: (connected: boolean) => void }} options
   * @returns {AsyncGenerator<StreamEvent, void, void>}
   */
  async *events(session, { turn, message, signal, onconnection }) {
    let last = "";
    let wait = FIRST_PAUSE;
    while (!signal.aborted) {
      const connection = new AbortController();
      const abort = () => connection.abort();
      signal.addEventListener("abort", abort);
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let watchdog;
      try {
        const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
        const response =
          turn === undefined && message
            ? await this.request("POST", `/chat/sessions/${session}/messages`, {
                body: { text: message.text },
                headers: { ...headers, "Idempotency-Key": message.key },
                signal: connection.signal,
              })
            : await this.request("GET", `/chat/sessions/${session}/turns/${turn}/events`, {
                headers,
                signal: connection.signal,
              });
        const body = /** @type {ReadableStream<Uint8Array>} */ (response.body);
        onconnection?.(true);
        watchdog = setTimeout(abort, SILENCE);
        for await (const event of readEvents(body)) {
          clearTimeout(watchdog);
          watchdog = setTimeout(abort, SILENCE);
          if (event === null) continue;
          if (event.event === "problem") throw new Problem("network", 0);
          wait = FIRST_PAUSE;
          if (event.id) last = event.id;
          if (event.event === "turn.started" || event.event === "turn.finished") turn = event.data.turn;
          yield event;
          if (event.event === "turn.finished") return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem) {
          const mayRetry = error.isTemporary || (error.status === 429 && turn !== undefined) || error.status === 500;
          const begun = turn !== undefined || error.status === 0;
          if (!mayRetry || !begun) throw error;
          if (error.retryAfter) wait = Math.max(wait, error.retryAfter * 1000);
        }
        onconnection?.(false);
      } finally {
        clearTimeout(watchdog);
        signal.removeEventListener("abort", abort);
        connection.abort();
      }
      await pause(wait * (0.75 + Math.random() / 2), signal);
      wait = Math.min(LONGEST_PAUSE, wait * 2);
    }
  }
}
