export { AgentClient, type MessageOptions } from "./client.js";
export { ConnectionLost, InvalidAnswer, Problem, PROBLEM_KINDS, type ProblemKind } from "./problems.js";
export { type Options, unwrap } from "./requests.js";
export type { components, operations, paths } from "./schema.js";
export type { Turn, TurnEvent } from "./shapes.js";
export { TurnText } from "./streams.js";
