/** The errors that the client throws. */
import * as z from "zod/mini";

/** A problem document (RFC 9457). A proxy may answer with less. */
const problemShape = z.object({
  type: z.optional(z.string()),
  title: z.optional(z.string()),
  detail: z.optional(z.string()),
  instance: z.optional(z.string()),
  resets: z.optional(z.string()),
});

/** The kinds of docs/api.md. A later release or your own routes may have others. */
export const PROBLEM_KINDS = [
  "unauthenticated",
  "forbidden",
  "session-not-found",
  "turn-not-found",
  "turn-in-progress",
  "turn-cancelled",
  "turn-ended",
  "no-decision-open",
  "request-too-large",
  "unsupported-media-type",
  "rate-limited",
  "request-timeout",
  "headers-too-large",
  "invalid-request",
  "invalid-cursor",
  "message-too-long",
  "idempotency-key-reused",
  "step-limit",
  "token-limit",
  "cost-limit",
  "budget-spent",
  "model-unavailable",
  "model-rejected",
  "model-invalid-response",
  "output-invalid",
  "model-rate-limited",
  "process-lost",
  "model-timeout",
  "turn-timeout",
  "service-unavailable",
  "stopping",
  "internal",
  "file-in-use",
  "file-not-found",
  "too-many-files",
] as const;

export type ProblemKind = (typeof PROBLEM_KINDS)[number];

const PREFIX = "urn:problem:";
const TEMPORARY = new Set([408, 429, 500, 502, 503, 504]);

/** An error that the service answered with: a problem document (RFC 9457), or only a status if a proxy answered. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** The part of `type` after `urn:problem:`; `about:blank` if the status says it all. */
  readonly kind: ProblemKind | (string & {});
  readonly title: string;
  readonly detail: string | undefined;
  /** The address of the turn, if the turn failed: its message is stored. */
  readonly instance: string | undefined;
  /** Of a spent budget: when it starts again, a time or `next-turn`. */
  readonly resets: string | undefined;

  /** `retryAfter` is in seconds, from the header Retry-After. */
  constructor(
    readonly status: number,
    document: unknown,
    readonly retryAfter: number | undefined,
  ) {
    const { data = {} } = problemShape.safeParse(document);
    const title = data.title ?? `The service answered ${status}.`;
    super(data.detail === undefined ? title : `${title} ${data.detail}`);
    this.kind = data.type?.startsWith(PREFIX) ? data.type.slice(PREFIX.length) : (data.type ?? "about:blank");
    this.title = title;
    this.detail = data.detail;
    this.instance = data.instance;
    this.resets = data.resets;
  }

  /** Whether the same request may succeed later. The outcome of a failed turn is stored, and stays. */
  get isTemporary(): boolean {
    return TEMPORARY.has(this.status) && this.instance === undefined;
  }
}

/** No answer arrived, however often the client asked. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  /** Of a stream: the turn, if it had begun. `follow` continues it, after the event `lastEventId`. */
  readonly turn: number | undefined;
  readonly lastEventId: string | undefined;

  constructor(cause: unknown, turn?: number, lastEventId?: string) {
    super("The service does not answer.", { cause });
    this.turn = turn;
    this.lastEventId = lastEventId;
  }
}

/** An answer that openapi.json does not describe: of another service, or of a release that this client does not know. */
export class InvalidAnswer extends Error {
  override readonly name = "InvalidAnswer";
}

/** Return the problem of an answer, which is no success. */
export async function problemOf(response: Response): Promise<Problem> {
  let document: unknown;
  try {
    document = await response.json();
  } catch {
    // a page of a proxy
  }
  return new Problem(response.status, document, secondsOf(response.headers.get("Retry-After")));
}

/** The seconds of a Retry-After, which is a number or a date (RFC 9110). */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
