/** A sentence for each error of the API: what happened, and what to do. */

import { Problem } from "./api.js";
import { duration, moment, t } from "./i18n.js";
import { SignInError } from "./oidc.js";

/** @typedef {import("./api.js").TurnError} TurnError */

/** @type {Record<string, import("./i18n.js").Key>} */
const SENTENCES = {
  network: "errorNetwork",
  "request-timeout": "errorNetwork",
  "turn-in-progress": "errorBusy",
  "step-limit": "errorSteps",
  "turn-timeout": "errorTimeout",
  "model-timeout": "errorTimeout",
  "model-rate-limited": "errorModelBusy",
  "model-unavailable": "errorModel",
  "model-invalid-response": "errorModel",
  "model-rejected": "errorModelRejected",
  "output-invalid": "errorModel",
  "process-lost": "errorLost",
  "service-unavailable": "errorUnavailable",
  "session-not-found": "errorNotFound",
  "turn-not-found": "errorNotFound",
  "no-decision-open": "errorDecided",
  forbidden: "errorForbidden",
};

/**
 * @param {string} kind
 * @param {{ detail: string, retryAfter: number | null, resets: string | null }} details
 * @param {number} maxCharacters
 */
function sentence(kind, { detail, retryAfter, resets }, maxCharacters) {
  if (kind === "rate-limited") return t("errorRateLimited", { wait: duration(retryAfter ?? 60) });
  if (resets === "next-turn" || kind === "token-limit" || kind === "cost-limit") return t("errorBudgetTurn");
  if (kind === "budget-spent" && resets) return t("errorBudgetDay", { time: moment(resets) });
  if (kind === "model-rate-limited" && retryAfter) return t("errorModelBusyWait", { wait: duration(retryAfter) });
  if (kind === "message-too-long" || kind === "request-too-large") return t("errorTooLong", { max: maxCharacters });
  const key = SENTENCES[kind];
  return key ? t(key) : t("errorOther", { detail });
}

/**
 * @param {unknown} error
 * @param {number} maxCharacters
 */
export function describe(error, maxCharacters) {
  if (!(error instanceof Problem)) return t("errorOther", { detail: String(error) });
  return sentence(error.kind, { detail: error.message, retryAfter: error.retryAfter, resets: error.resets }, maxCharacters);
}

/**
 * @param {TurnError} error
 * @param {number} maxCharacters
 */
export function describeTurnError(error, maxCharacters) {
  const details = { detail: error.detail, retryAfter: error.retry_after, resets: error.resets };
  return sentence(error.type.replaceAll("_", "-"), details, maxCharacters);
}

/** @param {unknown} error */
export function describeSignIn(error) {
  return error instanceof SignInError ? t(error.key, { reason: error.reason }) : t("errorOther", { detail: String(error) });
}
