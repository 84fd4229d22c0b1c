/** Requests: authorized, repeated if that is safe, and with a `Problem` for every answer that is no success. */
import { ConnectionLost, Problem, problemOf } from "./problems.js";

export const EVENT_STREAM = "text/event-stream";
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const LONGEST_PAUSE = 10_000;

/** The address of the service, the token, and how the client waits and repeats. */
export interface Options {
  /** The address of the service, with its prefix if it has one. */
  baseUrl: string;
  /** A token or an API key, or a function that returns the current one. */
  token: string | (() => string | Promise<string>);
  /** How often a request is repeated, and how many times in a row a stream is opened again without any news: 5. */
  retries?: number;
  /** Milliseconds before the first repetition, then twice as many each time up to ten seconds: 500. */
  firstPause?: number;
  /** The longest Retry-After, in seconds, that the client waits for: 60. A longer one is an error at once. */
  maxRetryAfter?: number;
  /** Milliseconds of silence after which a stream is opened again: 40000. The service sends something every 15 s. */
  silence?: number;
  /** Replaces the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
}

/** A random `Idempotency-Key`. Unlike `crypto.randomUUID`, this works on a page without TLS, too. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return what an answer's `data` is. It is always there: anything but a success is thrown. */
export async function unwrap<Data>(answer: Promise<{ data?: Data; response: Response }>): Promise<NonNullable<Data>> {
  return (await answer).data as NonNullable<Data>;
}

/** Wait, or throw as soon as `signal` aborts. */
function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

/** The pauses between repetitions, and their end. */
export class Patience {
  readonly #retries: number;
  readonly #first: number;
  readonly #longest: number;
  #failures = 0;

  constructor(options: Options) {
    this.#retries = options.retries ?? 5;
    this.#first = options.firstPause ?? 500;
    this.#longest = options.maxRetryAfter ?? 60;
  }

  /** Start again, because there was news. */
  renew(): void {
    this.#failures = 0;
  }

  /** Pause after a failure. Throws `lost`, or a problem itself, if repeating makes no sense. `least` is in seconds. */
  async wait(failure: unknown, lost: () => Error, signal?: AbortSignal, least = 0): Promise<void> {
    signal?.throwIfAborted();
    const after = Math.max(least, failure instanceof Problem ? (failure.retryAfter ?? 0) : 0);
    if (failure instanceof Problem && (!failure.isTemporary || after > this.#longest)) throw failure;
    if (this.#failures >= this.#retries) throw failure instanceof Problem ? failure : lost();
    const pause = Math.min(LONGEST_PAUSE, this.#first * 2 ** this.#failures++);
    await sleep(Math.max(after * 1000, pause * (0.75 + Math.random() / 2)), signal);
  }
}

/** Send a request once. */
export async function once(request: Request, options: Options): Promise<Response> {
  const token = typeof options.token === "string" ? options.token : await options.token();
  request.headers.set("Authorization", `Bearer ${token}`);
  const response = await (options.fetch ?? fetch)(request);
  if (!response.ok) throw await problemOf(response);
  if (request.headers.get("Accept") === EVENT_STREAM || response.body === null) return response;
  // Read here, so that a connection that is lost meanwhile counts as a failure, too.
  return new Response(await response.arrayBuffer(), response);
}

/** Send a request, and repeat it after a failure, if it is idempotent or has an Idempotency-Key. */
export async function repeated(request: Request, options: Options): Promise<Response> {
  const safe = IDEMPOTENT.has(request.method) || request.headers.has("Idempotency-Key");
  const patience = new Patience(options);
  for (;;) {
    try {
      return await once(request.clone(), options);
    } catch (failure) {
      const refused = failure instanceof Problem && failure.kind === "rate-limited"; // before anything was done
      if (!safe && !refused) throw failure instanceof Problem ? failure : lostOr(request.signal, failure);
      await patience.wait(failure, () => new ConnectionLost(failure), request.signal);
    }
  }
}

function lostOr(signal: AbortSignal, failure: unknown): unknown {
  return signal.aborted ? signal.reason : new ConnectionLost(failure);
}
