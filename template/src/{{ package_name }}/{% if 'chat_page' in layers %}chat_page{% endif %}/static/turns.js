/** A turn as the page shows it, assembled from its events (docs/api.md, “Events”). No document, no network. */

/** @typedef {import("./api.js").TurnView} TurnView */
/** @typedef {import("./api.js").TurnError} TurnError */
/** @typedef {import("./api.js").Status} Status */

/**
 * @typedef {{ id: string, name: string, arguments: any, result: string | null, failed: boolean,
 *   approval: null | { expires: string, decided: boolean | null } }} Call
 * @typedef {{ kind: "text", step: number, text: string, complete: boolean }} TextPart
 * @typedef {{ kind: "call", step: number, call: Call }} CallPart
 * @typedef {{ number: number | null, key: string | null, message: string, status: Status, parts: (TextPart | CallPart)[],
 *   error: TurnError | null, failure: unknown, finishReason: string | null, stopping: boolean }} Turn
 *   `failure` is why a message could not be sent
 */

/**
 * A turn whose message has just been written.
 * @param {string} message
 * @param {string} key
 * @returns {Turn}
 */
export function newTurn(message, key) {
  const status = /** @type {Status} */ ("queued");
  return { number: null, key, message, status, parts: [], error: null, failure: null, finishReason: null, stopping: false };
}

/**
 * A turn of the history. One that is not over has no parts yet: its events follow.
 * @param {TurnView} view
 * @returns {Turn}
 */
export function storedTurn(view) {
  const turn = newTurn(view.message, "");
  turn.number = view.turn;
  turn.status = view.status;
  turn.error = view.error;
  turn.finishReason = view.finish_reason;
  if (isOver(turn)) for (const { event, data } of view.steps || []) apply(turn, event, data);
  indent(turn, view.output);
  turn.status = view.status;
  return turn;
}

/** @param {Turn} turn */
export function isOver(turn) {
  return turn.status === "succeeded" || turn.status === "failed" || turn.status === "cancelled";
}

/**
 * The whole text of the answer.
 * @param {Turn} turn
 */
export function textOf(turn) {
  return turn.parts.flatMap((part) => (part.kind === "text" && part.text ? [part.text] : [])).join("\n\n");
}

/**
 * Show an answer that is an object on several lines.
 * @param {Turn} turn
 * @param {unknown} output
 */
function indent(turn, output) {
  const last = turn.parts.at(-1);
  if (output && last?.kind === "text") last.text = `\`\`\`json\n${JSON.stringify(output, null, 2)}\n\`\`\``;
}

/**
 * The calls that wait for a decision.
 * @param {Turn} turn
 */
export function pendingCalls(turn) {
  return turn.parts.flatMap((part) =>
    part.kind === "call" && part.call.result === null && part.call.approval?.decided === null ? [part.call] : [],
  );
}

/**
 * The latest call with an id: a later response of the model may use the id again.
 * @param {Turn} turn
 * @param {string} id
 */
function callOf(turn, id) {
  const found = turn.parts.findLast((part) => part.kind === "call" && part.call.id === id);
  return found?.kind === "call" ? found.call : undefined;
}

/**
 * @param {Turn} turn
 * @param {number} step
 * @returns {TextPart}
 */
function textPart(turn, step) {
  const found = turn.parts.find((part) => part.kind === "text" && part.step === step);
  if (found?.kind === "text") return found;
  /** @type {TextPart} */
  const part = { kind: "text", step, text: "", complete: false };
  turn.parts.push(part);
  return part;
}

/**
 * Change a turn as an event says.
 * @param {Turn} turn
 * @param {string} event
 * @param {any} data
 */
export function apply(turn, event, data) {
  switch (event) {
    case "turn.started":
      turn.number = data.turn;
      turn.status = "running";
      break;
    case "step.started": // a process that resumes the turn repeats the unfinished step
      turn.parts = turn.parts.filter((part) => part.step < data.step);
      textPart(turn, data.step);
      break;
    case "text.delta":
      textPart(turn, data.step).text += data.text;
      break;
    case "step.finished": {
      const part = textPart(turn, data.step);
      part.text = data.text;
      part.complete = true;
      break;
    }
    case "tool.called":
      turn.parts.push({
        kind: "call",
        step: data.step,
        call: { id: data.call_id, name: data.name, arguments: data.arguments, result: null, failed: false, approval: null },
      });
      break;
    case "approval.required": {
      turn.status = "waiting_for_approval";
      const call = callOf(turn, data.call_id);
      if (call && call.result === null) call.approval ??= { expires: data.expires_at, decided: null };
      break;
    }
    case "tool.returned": {
      turn.status = "running";
      const call = callOf(turn, data.call_id);
      if (call) {
        call.result = data.content;
        call.failed = data.failed;
      }
      break;
    }
    case "turn.finished":
      turn.number = data.turn;
      turn.status = data.status;
      turn.error = data.error;
      turn.finishReason = data.finish_reason;
      for (const part of turn.parts) if (part.kind === "text") part.complete = true;
      indent(turn, data.output);
      break;
  }
}
