/** A message and its answer: text, tool calls, approvals, errors. */

import { copyText, h, icon } from "./dom.js";
import { describe, describeTurnError } from "./errors.js";
import { moment, t } from "./i18n.js";
import { render } from "./markdown.js";
import { isOver, textOf } from "./turns.js";

/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {import("./turns.js").Call} Call */
/** @typedef {import("./turns.js").TextPart} TextPart */
/** @typedef {import("./turns.js").CallPart} CallPart */

/**
 * @typedef {object} Actions
 * @property {(turn: Turn, call: Call, approved: boolean) => void} decide
 * @property {(turn: Turn) => void} retry
 * @property {number} maxCharacters
 */

/** @param {any} value */
function shown(value) {
  if (value && typeof value === "object" && !Object.keys(value).length) return t("noArguments");
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

class TextView {
  constructor() {
    this.element = h("div", { class: "markdown" });
    /** @type {import("./markdown.js").Block[]} */
    this.blocks = [];
    this.text = "";
  }

  /** @param {TextPart} part */
  update(part) {
    this.element.hidden = !part.text.trim();
    if (part.text === this.text) return;
    this.text = part.text;
    this.blocks = render(this.element, this.blocks, part.text);
  }
}

class CallView {
  /**
   * @param {Call} call
   * @param {(approved: boolean) => void} decide
   */
  constructor(call, decide) {
    this.decide = decide;
    this.state = h("span", { class: "state" });
    this.result = h("div", {});
    this.asked = h("div", {});
    this.element = h(
      "div",
      { class: "call" },
      h(
        "details",
        {},
        h("summary", {}, icon("tool"), h("code", {}, call.name), this.state),
        h("div", { class: "call-body" }, h("h3", {}, t("arguments")), this.pre(shown(call.arguments), t("arguments")), this.result),
      ),
      this.asked,
    );
  }

  /**
   * @param {string} text
   * @param {string} label
   */
  pre(text, label) {
    return h("pre", { tabindex: 0, role: "group", "aria-label": label }, text);
  }

  /**
   * @param {CallPart} part
   * @param {Turn} turn
   */
  update({ call }, turn) {
    const waits = call.result === null && call.approval !== null && call.approval.decided === null && !isOver(turn);
    const refused = call.approval?.decided === false;
    /** @type {[string, import("./i18n.js").Key]} */
    const [kind, key] = waits
      ? ["waiting", "toolWaiting"]
      : refused
        ? ["failed", "toolRefused"]
        : call.result !== null
          ? call.failed
            ? ["failed", "toolFailed"]
            : ["done", "toolDone"]
          : isOver(turn)
            ? ["failed", "toolAborted"]
            : ["running", "toolRunning"];
    this.state.className = `state ${kind}`;
    this.state.textContent = t(key);
    if (call.result !== null && !this.result.hasChildNodes()) {
      this.result.append(h("h3", {}, t("result")), this.pre(call.result, t("result")));
    }
    if (waits && call.approval && !this.asked.hasChildNodes()) this.asked.append(this.question(call, call.approval.expires));
    if (!waits) this.asked.replaceChildren();
  }

  /**
   * @param {Call} call
   * @param {string} expires
   */
  question(call, expires) {
    const decide = (/** @type {boolean} */ approved) => {
      for (const button of this.asked.querySelectorAll("button")) button.disabled = true;
      this.decide(approved);
    };
    const title = t("approvalTitle", { name: call.name });
    return h(
      "div",
      { class: "approval", role: "group", "aria-label": title },
      h("p", { class: "approval-title" }, title),
      this.pre(shown(call.arguments), t("arguments")),
      h("p", { class: "fine" }, t("approvalText", { time: moment(expires) })),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", class: "primary", onclick: () => decide(true) }, t("approve")),
        h("button", { type: "button", class: "secondary", onclick: () => decide(false) }, t("refuse")),
      ),
    );
  }
}

export class TurnView {
  /**
   * @param {Turn} turn
   * @param {Actions} actions
   */
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    /** @type {Map<TextPart | CallPart, TextView | CallView>} */
    this.views = new Map();
    this.parts = h("div", { class: "parts" });
    this.thinking = h("p", { class: "thinking" }, h("span", { class: "dots", "aria-hidden": "true" }), h("span", { class: "hidden" }, t("thinking")));
    this.notice = h("div", {});
    this.foot = h("div", { class: "foot" });
    this.answer = h("div", { class: "answer" }, h("h2", { class: "hidden" }, t("agentSaid")), this.parts, this.thinking, this.notice, this.foot);
    this.element = h(
      "article",
      { class: "turn" },
      h("div", { class: "question" }, h("h2", { class: "hidden" }, t("youSaid")), h("p", { dir: "auto" }, turn.message)),
      this.answer,
    );
    this.closed = "";
    this.update();
  }

  update() {
    const { turn } = this;
    const present = new Set(turn.parts);
    for (const [part, view] of this.views) {
      if (present.has(part)) continue;
      view.element.remove();
      this.views.delete(part);
    }
    for (const part of turn.parts) {
      let view = this.views.get(part);
      if (!view) {
        view = part.kind === "text" ? new TextView() : new CallView(part.call, (yes) => this.actions.decide(turn, part.call, yes));
        this.views.set(part, view);
        this.parts.append(view.element);
      }
      if (view instanceof TextView && part.kind === "text") view.update(part);
      else if (view instanceof CallView && part.kind === "call") view.update(part, turn);
    }
    const last = turn.parts.at(-1);
    const writes = last?.kind === "text" && last.text !== "" && !last.complete;
    this.answer.setAttribute("aria-busy", String(!isOver(turn)));
    this.thinking.hidden = isOver(turn) || writes || turn.status === "waiting_for_approval";
    this.close();
  }

  /** Show how the turn ended. */
  close() {
    const { turn } = this;
    if (!isOver(turn) || this.closed === turn.status) return;
    this.closed = turn.status;
    const text = textOf(turn);
    if (turn.failure) this.notice.append(notice("error", describe(turn.failure, this.actions.maxCharacters)));
    else if (turn.error) this.notice.append(notice("error", describeTurnError(turn.error, this.actions.maxCharacters)));
    else if (turn.status === "cancelled") this.notice.append(notice("quiet", t("stopped")));
    else if (turn.finishReason === "length") this.notice.append(notice("quiet", t("cut")));
    if (text) {
      const labels = { copy: t("copyAnswer"), copied: t("copied") };
      /** @type {HTMLButtonElement} */
      const copy = h(
        "button",
        { type: "button", class: "quiet-button", onclick: () => copyText(copy, text, labels) },
        icon("copy"),
        h("span", {}, labels.copy),
      );
      this.foot.append(copy);
    }
    if (turn.status !== "succeeded") {
      this.foot.append(
        h("button", { type: "button", class: "quiet-button", onclick: () => this.actions.retry(turn) }, icon("retry"), h("span", {}, t("retry"))),
      );
    }
  }
}

/**
 * @param {"error" | "quiet"} kind
 * @param {string} text
 * @param {...HTMLElement} more
 */
export function notice(kind, text, ...more) {
  return h("div", { class: `notice ${kind}` }, kind === "error" && icon("alert"), h("p", {}, text), ...more);
}
