/** One chat: its turns, and the turn under way. It knows the API and no document. */

import { Problem, pause } from "./api.js";
import { apply, isOver, newTurn, pendingCalls, storedTurn } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {import("./turns.js").Call} Call */

/**
 * @typedef {object} Listener
 * @property {() => void} opened other turns are shown now
 * @property {(turn: Turn) => void} changed a turn is new or has changed
 * @property {(connected: boolean) => void} connection
 * @property {(error: unknown, retry: (() => void) | null) => void} failed
 * @property {() => void} listed the list of chats has changed
 */

/** A key that no other request has: `crypto.randomUUID` exists with TLS only. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Conversation {
  /**
   * @param {import("./api.js").Api} api
   * @param {Listener} listener
   */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
    /** @type {string | null} */
    this.session = null;
    /** @type {Turn[]} */
    this.turns = [];
    /** @type {AbortController | null} */
    this.following = null;
    this.visit = 0; // counts the chats opened: a late answer of an earlier one is ignored
    // Other tabs of the same browser say when they change something.
    this.channel = new BroadcastChannel("chat");
    this.channel.onmessage = ({ data }) => {
      if (data.session === this.session) this.refresh();
      if (data.listed) this.listener.listed();
    };
  }

  /** A message that the service may not have. */
  get unsent() {
    return this.turns.find((turn) => turn.number === null)?.message ?? "";
  }

  /** The turn that is not over, if there is one. */
  get active() {
    return this.turns.find((turn) => !isOver(turn)) ?? null;
  }

  /**
   * Show a chat, or a new one.
   * @param {string | null} session
   */
  async open(session) {
    this.following?.abort();
    this.following = null;
    this.visit += 1;
    this.session = session;
    this.turns = [];
    this.listener.connection(true);
    this.listener.opened();
    if (session) await this.refresh();
  }

  /** Read what is new in this chat, and follow its running turn. */
  async refresh() {
    const { session, visit } = this;
    if (!session || this.following) return;
    const known = this.turns.filter((turn) => isOver(turn) && turn.number !== null);
    try {
      const views = await this.api.history(session, known.at(-1)?.number ?? 0);
      if (visit !== this.visit || this.following) return;
      const unsent = this.turns.filter((turn) => turn.failure);
      if (!views.length && known.length + unsent.length === this.turns.length) return;
      this.turns = [...known, ...views.map(storedTurn), ...unsent];
      this.listener.opened();
      if (this.active) await this.follow(this.active);
    } catch (error) {
      if (visit === this.visit) this.listener.failed(error, () => this.refresh());
    }
  }

  /**
   * Send a message. Under the key of one that may have arrived, it is stored once.
   * @param {string} text
   * @param {string} [key]
   */
  async send(text, key = randomKey()) {
    if (this.active) return;
    const turn = newTurn(text, key);
    this.turns.push(turn);
    this.listener.changed(turn);
    const { visit } = this;
    try {
      if (!this.session) {
        const session = await this.api.createSession();
        if (visit !== this.visit) return;
        this.session = session;
      }
      await this.follow(turn);
    } catch (error) {
      if (visit !== this.visit) return;
      if (error instanceof Problem && error.status === 401) this.listener.failed(error, null);
      turn.status = "failed";
      turn.failure = error;
      this.listener.changed(turn);
      if (error instanceof Problem && error.kind === "turn-in-progress") await this.refresh();
    }
  }

  /**
   * Send the message of a failed turn again.
   * @param {Turn} turn
   */
  async retry(turn) {
    if (this.active) return;
    if (turn.number !== null) return this.send(turn.message);
    this.turns = this.turns.filter((each) => each !== turn);
    this.listener.opened();
    return this.send(turn.message, turn.key || undefined);
  }

  /**
   * Apply the events of a turn to its end.
   * @param {Turn} turn
   */
  async follow(turn) {
    const session = /** @type {string} */ (this.session);
    const following = new AbortController();
    this.following = following;
    try {
      if (turn.status === "waiting_for_approval") await this.readDecisions(turn);
      const events = this.api.events(session, {
        turn: turn.number ?? undefined,
        message: turn.number === null ? { text: turn.message, key: turn.key || "" } : undefined,
        signal: following.signal,
        onconnection: (connected) => following.signal.aborted || this.listener.connection(connected),
      });
      for await (const { event, data } of events) {
        if (following.signal.aborted) return;
        apply(turn, event, data);
        this.applyDecisions(turn);
        if (event === "turn.started") {
          if (turn.stopping) this.stop();
          this.channel.postMessage({ session, listed: true });
          this.listener.listed();
        }
        this.listener.changed(turn);
      }
    } finally {
      if (this.following === following) this.following = null;
    }
  }

  /** @type {Map<string, boolean>} the decisions of this turn that are known to be made */
  decisions = new Map();

  /**
   * The stream repeats the request of an approval after its decision, until the call runs.
   * @param {Turn} turn
   */
  async readDecisions(turn) {
    const session = /** @type {string} */ (this.session);
    const found = await this.api.approvals(session, /** @type {number} */ (turn.number)).catch(() => []);
    for (const { call_id, approved, expires_at } of found) {
      if (approved !== null) this.decisions.set(`${turn.number} ${call_id} ${expires_at}`, approved);
    }
  }

  /** @param {Turn} turn */
  applyDecisions(turn) {
    for (const call of pendingCalls(turn)) {
      const decided = this.decisions.get(`${turn.number} ${call.id} ${call.approval?.expires}`);
      if (decided !== undefined && call.approval) call.approval.decided = decided;
    }
  }

  /**
   * @param {Turn} turn
   * @param {Call} call
   * @param {boolean} approved
   */
  async decide(turn, call, approved) {
    if (!this.session || turn.number === null || !call.approval) return;
    const decision = `${turn.number} ${call.id} ${call.approval.expires}`;
    try {
      await this.api.decide(this.session, turn.number, call.id, approved);
      this.decisions.set(decision, approved);
      call.approval.decided = approved; // its result may have arrived before this response
      this.channel.postMessage({ session: this.session });
    } catch (error) {
      this.listener.failed(error, null);
      if (error instanceof Problem && error.kind === "no-decision-open") call.approval.decided = approved;
    }
    this.listener.changed(turn);
  }

  /** Stop the turn under way. The end arrives with its events. */
  async stop() {
    const turn = this.active;
    if (!turn) return;
    turn.stopping = true;
    this.listener.changed(turn);
    if (!this.session || turn.number === null) return; // as soon as it has started
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.api.cancel(this.session, turn.number);
        return;
      } catch (error) {
        if (error instanceof Problem && error.kind === "turn-ended") return;
        if (!(error instanceof Problem && error.isTemporary) || attempt === 5) {
          turn.stopping = false;
          this.listener.failed(error, null);
          this.listener.changed(turn);
          return;
        }
        await pause(attempt * 500);
      }
    }
  }
}
