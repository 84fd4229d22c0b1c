/** The events of a turn, each once and in order, whatever happens to connections and processes meanwhile. */
import { createParser } from "eventsource-parser";

import { ConnectionLost, InvalidAnswer, Problem } from "./problems.js";
import { type Options, Patience } from "./requests.js";
import { checked, eventNames, eventShape, parsed, type TurnEvent } from "./shapes.js";

/** Where a reader is in a turn. */
export class Position {
  /** The id of the last event: the service continues after it. */
  lastEventId: string | undefined;
  turn: number | undefined;
  #attempt = 0;
  #step = 0; // the last one that has finished
  readonly #asked = new Set<string>();

  constructor(turn?: number, lastEventId?: string) {
    this.turn = turn;
    this.lastEventId = lastEventId;
  }

  /** Whether the reader has not seen the event. A service that lost a turn's events rebuilds them from its first step. */
  admits({ event, data }: TurnEvent): boolean {
    switch (event) {
      case "turn.started": {
        this.turn = data.turn;
        const isNew = data.attempt > this.#attempt;
        this.#attempt = Math.max(this.#attempt, data.attempt);
        return isNew;
      }
      case "turn.finished":
        this.turn = data.turn;
        return true;
      case "approval.required": {
        const asked = `${this.#step} ${data.call_id}`;
        const isNew = !this.#asked.has(asked);
        this.#asked.add(asked);
        return isNew;
      }
      default: {
        const isNew = data.step > this.#step;
        if (isNew && (event === "step.finished" || event === "tool.returned")) this.#step = data.step;
        return isNew;
      }
    }
  }
}

/** The text of a turn, assembled from its events. */
export class TurnText {
  readonly #steps = new Map<number, string>();
  #newest = "";

  /** Take an event in. What was received of a step is void when the step starts again. */
  add({ event, data }: TurnEvent): void {
    if (event === "step.started") this.#set(data.step, "");
    else if (event === "text.delta") this.#set(data.step, (this.#steps.get(data.step) ?? "") + data.text);
    else if (event === "step.finished") this.#set(data.step, data.text);
    else if (event === "turn.finished" && data.response !== null) this.#newest = data.response;
  }

  /** The text of the newest response of the model: that of the turn, once it has succeeded. */
  get text(): string {
    return this.#newest;
  }

  /** The text of each response of the model so far, by its step. */
  get steps(): ReadonlyMap<number, string> {
    return this.#steps;
  }

  #set(step: number, text: string): void {
    this.#steps.set(step, text);
    this.#newest = text;
  }
}

/** What a stream brought: an event as text, or a comment, which shows that the service is there. */
type Message = { id?: string; event?: string; data: string } | "comment";

/**
 * Yield the events of a turn up to `turn.finished`. `open` starts the turn, or continues it at a position.
 *
 * Throws a `Problem`, or `ConnectionLost` if several connections in a row brought nothing.
 */
export async function* follow(
  open: (position: Position, signal: AbortSignal) => Promise<Response>,
  position: Position,
  options: Options,
  signal?: AbortSignal,
): AsyncGenerator<TurnEvent, void, void> {
  const patience = new Patience(options);
  for (;;) {
    signal?.throwIfAborted();
    const connection = new AbortController();
    const abort = () => connection.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    let failure: unknown = new Error("The stream ended early.");
    try {
      const response = await open(position, connection.signal);
      for await (const message of messages(response, options.silence ?? 40_000, connection)) {
        patience.renew();
        if (message === "comment") continue;
        if (message.id !== undefined) position.lastEventId = message.id;
        if (message.event === undefined || !eventNames.has(message.event)) continue; // of a later release
        const event = checked(eventShape, { event: message.event, data: parsed(message.data) });
        if (position.admits(event)) yield event;
        if (event.event === "turn.finished") return;
      }
    } catch (error) {
      if (error instanceof InvalidAnswer) throw error;
      failure = error;
    } finally {
      signal?.removeEventListener("abort", abort);
      connection.abort();
    }
    await patience.wait(failure, () => new ConnectionLost(failure, position.turn, position.lastEventId), signal);
  }
}

/** Yield what a stream brings. Throws the problem that ends it, although its turn may continue. */
async function* messages(
  response: Response,
  silence: number,
  connection: AbortController,
): AsyncGenerator<Message, void, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const arrived: Message[] = [];
  let retry: number | undefined; // in milliseconds
  const parser = createParser({
    onEvent: (message) => arrived.push(message),
    onComment: () => arrived.push("comment"),
    onRetry: (milliseconds) => (retry = milliseconds),
  });
  try {
    for (;;) {
      const watchdog = setTimeout(() => connection.abort(), silence);
      const { done, value } = await reader.read().finally(() => clearTimeout(watchdog));
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      for (const message of arrived.splice(0)) {
        if (message !== "comment" && message.event === "problem") {
          throw new Problem(503, parsed(message.data), retry === undefined ? undefined : retry / 1000);
        }
        yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
