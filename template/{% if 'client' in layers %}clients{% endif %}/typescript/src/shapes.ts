/** The shapes that the client checks when an answer arrives. Each must equal the type in openapi.json, or `tsc` fails. */
import * as z from "zod/mini";

import { InvalidAnswer } from "./problems.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];
type Flat<T> = T extends object ? { [Key in keyof T]: Flat<T[Key]> } : T;
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Same<Shape extends z.ZodMiniType, Type> = Equal<Flat<z.output<Shape>>, Flat<Type>>;

const status = z.enum(["queued", "running", "waiting_for_approval", "succeeded", "failed", "cancelled"]);
const error = z.object({
  type: z.string(),
  detail: z.string(),
  retry_after: z.nullable(z.number()),
  resets: z.optional(z.nullable(z.string())),
});
const usage = z.object({ input_tokens: z.number(), output_tokens: z.number(), estimated: z.boolean() });
const values = z.record(z.string(), z.unknown());
const call = { call_id: z.string(), name: z.string(), arguments: values };
const step = { step: z.number() };

const event = <Name extends string, Data extends z.core.$ZodLooseShape>(name: Name, data: Data) =>
  z.object({ event: z.literal(name), data: z.object(data) });

export const sessionShape = z.object({ session_id: z.string() });

export const fileShape = z.object({
  file_id: z.string(),
  name: z.string(),
  media_type: z.string(),
  size: z.number(),
  session_id: z.nullable(z.string()),
  turn: z.nullable(z.number()),
  created_at: z.string(),
});

const part = z.object({
  type: z.literal("file"),
  file_id: z.string(),
  name: z.string(),
  media_type: z.string(),
  size: z.number(),
});

export const turnShape = z.object({
  session_id: z.string(),
  turn: z.number(),
  status,
  message: z.string(),
  parts: z.array(part),
  response: z.nullable(z.string()),
  error: z.nullable(error),
  model: z.nullable(z.string()),
  finish_reason: z.nullable(z.string()),
  output: z.nullable(values),
  usage,
  created_at: z.string(),
  finished_at: z.nullable(z.string()),
});

export const eventShape = z.discriminatedUnion("event", [
  event("turn.started", { turn: z.number(), attempt: z.number() }),
  event("step.started", step),
  event("text.delta", { ...step, text: z.string() }),
  event("tool.called", { ...step, ...call }),
  event("step.finished", { ...step, text: z.string() }),
  event("tool.returned", {
    ...step,
    call_id: z.string(),
    name: z.string(),
    content: z.string(),
    failed: z.boolean(),
  }),
  event("approval.required", { ...call, expires_at: z.string() }),
  event("turn.finished", {
    turn: z.number(),
    status,
    response: z.nullable(z.string()),
    error: z.nullable(error),
    finish_reason: z.nullable(z.string()),
    output: z.nullable(values),
    usage,
  }),
]);

/** `false` here, and the line is an error: the shape and the type differ. */
export type InStep = [
  Assert<Same<typeof sessionShape, Schemas["SessionCreated"]>>,
  Assert<Same<typeof fileShape, Schemas["StoredFile"]>>,
  Assert<Same<typeof turnShape, Schemas["TurnView"]>>,
  Assert<Same<typeof eventShape, Schemas["TurnEvent"]>>,
];
type Assert<T extends true> = T;

/** A turn: a message, and its response or error once it has ended. */
export type Turn = Schemas["TurnView"];

/** An event of a turn. `event` says which fields `data` has. */
export type TurnEvent = Schemas["TurnEvent"];

/** The names of the events that this client knows. */
export const eventNames: ReadonlySet<string> = new Set<string>(
  eventShape.def.options.flatMap((option) => option.def.shape.event.def.values),
);

/** Return a value whose shape is right. Throws `InvalidAnswer`. */
export function checked<Shape extends z.ZodMiniType>(shape: Shape, value: unknown): z.output<Shape> {
  const found = shape.safeParse(value);
  if (!found.success) throw new InvalidAnswer(z.prettifyError(found.error));
  return found.data;
}

/** Return the value of a JSON text. Throws `InvalidAnswer`. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidAnswer("The service sent something other than JSON.", { cause });
  }
}
