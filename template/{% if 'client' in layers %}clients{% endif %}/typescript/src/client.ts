/** The client of one service, for the owner of a token. */
import createFetchClient, { type Client } from "openapi-fetch";

import { EVENT_STREAM, newKey, once, type Options, repeated, unwrap } from "./requests.js";
import type { paths } from "./schema.js";
import { checked, fileShape, sessionShape, type Turn, turnShape, type TurnEvent } from "./shapes.js";
import { follow, Position } from "./streams.js";

/** Of a message. */
export interface MessageOptions {
  /** Makes a repetition safe, even one by another process: within 24 hours the same message and key are one turn. */
  idempotencyKey?: string;
  /** The ids of files that `upload` returned. */
  files?: string[];
  /** A JSON Schema of the type `object` for the answer: the turn's `output` fits it. */
  outputSchema?: Record<string, unknown>;
  signal?: AbortSignal;
}

export class AgentClient {
  /** Every operation of openapi.json, by its path. A success has `data`; anything else is thrown. */
  readonly api: Client<paths>;
  readonly #once: Client<paths>;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    const common = { baseUrl: options.baseUrl, cache: "no-store", credentials: "omit" } as const;
    this.api = createFetchClient<paths>({ ...common, fetch: (request) => repeated(request, options) });
    this.#once = createFetchClient<paths>({ ...common, fetch: (request) => once(request, options) });
  }

  /** Start a conversation, and return its id. */
  async createSession(signal?: AbortSignal): Promise<string> {
    return checked(sessionShape, await unwrap(this.api.POST("/chat/sessions", { ...given(signal) }))).session_id;
  }

  /** Store a file for a message, and return its id. The service reads its media type from the content. */
  async upload(name: string, content: Blob | Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<string> {
    const answer = this.api.POST("/chat/files", {
      params: { query: { name }, header: { "idempotency-key": newKey() } },
      headers: { "Content-Type": "application/octet-stream" },
      body: "",
      bodySerializer: () => content,
      ...given(signal),
    });
    return checked(fileShape, await unwrap(answer)).file_id;
  }

  /**
   * Send a message and return its turn, once it has ended or waits for an approval. A turn that failed is a `Problem`.
   *
   * With `background`, a worker runs the turn, and this returns as soon as it is queued.
   */
  async send(session: string, text: string, options: MessageOptions & { background?: boolean } = {}): Promise<Turn> {
    const answer = this.api.POST("/chat/sessions/{session_id}/messages", {
      params: {
        path: { session_id: session },
        header: {
          "idempotency-key": options.idempotencyKey ?? newKey(),
          ...(options.background ? { prefer: "respond-async" } : {}),
        },
      },
      body: message(text, options),
      ...given(options.signal),
    });
    return checked(turnShape, await unwrap(answer));
  }

  /**
   * Send a message and yield the events of its turn, each once, up to `turn.finished`.
   *
   * A lost connection is opened again, and the turn continues after the last event. At `approval.required`, call
   * `decide`; the stream then continues. Breaking off ends the reading and not the turn: `cancel` does that.
   */
  async *stream(session: string, text: string, options: MessageOptions = {}): AsyncGenerator<TurnEvent, void, void> {
    const key = options.idempotencyKey ?? newKey();
    const path = { session_id: session };
    const open = async (position: Position, signal: AbortSignal) => {
      if (position.lastEventId !== undefined && position.turn === undefined) {
        // The first events had expired, so none of them named the turn. The same key finds it.
        const again = { ...options, idempotencyKey: key, background: true, signal };
        position.turn = (await this.send(session, text, again)).turn;
      }
      if (position.turn !== undefined) return this.#events(session, position.turn, position, signal);
      const answer = await this.#once.POST("/chat/sessions/{session_id}/messages", {
        params: { path, header: { accept: EVENT_STREAM, "idempotency-key": key } },
        body: message(text, options),
        parseAs: "stream",
        signal,
      });
      return answer.response;
    };
    yield* follow(open, new Position(), this.#options, options.signal);
  }

  /** Yield the events of a turn up to `turn.finished`: all of them, or those after the id `after`. */
  async *follow(
    session: string,
    turn: number,
    options: { after?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<TurnEvent, void, void> {
    const open = (position: Position, signal: AbortSignal) => this.#events(session, turn, position, signal);
    yield* follow(open, new Position(turn, options.after), this.#options, options.signal);
  }

  /** Approve or refuse a call of a tool. The turn continues once every call is decided. */
  async decide(session: string, turn: number, callId: string, approved: boolean, note?: string): Promise<Turn> {
    const answer = this.api.POST("/chat/sessions/{session_id}/turns/{number}/approvals/{call_id}", {
      params: { path: { session_id: session, number: turn, call_id: callId } },
      body: { approved, ...(note === undefined ? {} : { note }) },
    });
    return checked(turnShape, await unwrap(answer));
  }

  /** End a turn: stop the model and the tools. */
  async cancel(session: string, turn: number): Promise<Turn> {
    const answer = this.api.POST("/chat/sessions/{session_id}/turns/{number}/cancel", {
      params: { path: { session_id: session, number: turn } },
    });
    return checked(turnShape, await unwrap(answer));
  }

  async #events(session: string, turn: number, position: Position, signal: AbortSignal): Promise<Response> {
    const answer = await this.#once.GET("/chat/sessions/{session_id}/turns/{number}/events", {
      params: {
        path: { session_id: session, number: turn },
        ...(position.lastEventId === undefined ? {} : { header: { "last-event-id": position.lastEventId } }),
      },
      headers: { accept: EVENT_STREAM },
      parseAs: "stream",
      signal,
    });
    return answer.response;
  }
}

function message(text: string, { files = [], outputSchema }: MessageOptions) {
  const parts = files.map((file_id) => ({ type: "file" as const, file_id }));
  return { text, parts, ...(outputSchema === undefined ? {} : { output_schema: outputSchema }) };
}

function given(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
