/** The field for a message. It grows with its text. Enter sends, except while an input method composes a character. */

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const GROWS = CSS.supports("field-sizing", "content"); // without help

export class Composer {
  /**
   * @param {number} maxCharacters
   * @param {{ send: (text: string) => void, stop: () => void }} actions
   */
  constructor(maxCharacters, actions) {
    this.maxCharacters = maxCharacters;
    this.actions = actions;
    this.isBusy = false;
    this.field = h("textarea", {
      id: "message",
      rows: 1,
      placeholder: t("placeholder"),
      "aria-label": t("message"),
      "aria-describedby": "hint",
      enterkeyhint: "send",
      dir: "auto",
      oninput: () => this.update(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.submit();
      },
    });
    this.sendButton = h("button", { class: "round primary", "aria-label": t("send"), title: t("send") }, icon("send"));
    this.stopButton = h(
      "button",
      { type: "button", class: "round stop", "aria-label": t("stop"), title: t("stop"), onclick: () => actions.stop() },
      icon("stop"),
    );
    this.hint = h("p", { id: "hint", class: "fine hint" }, t("hint"));
    this.element = h(
      "form",
      {
        class: "composer",
        onsubmit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          this.submit();
        },
      },
      h("div", { class: "field" }, this.field, this.sendButton, this.stopButton),
      this.hint,
    );
    this.update();
  }

  focus() {
    this.field.focus();
  }

  /** @param {string} text from before the sign-in */
  restore(text) {
    this.field.value = text;
    this.update();
    this.focus();
  }

  submit() {
    const text = this.field.value.trim();
    if (!text || this.isBusy || this.excess > 0) return;
    this.field.value = "";
    this.update();
    this.actions.send(text);
  }

  /** Characters as the service counts them: an emoji is one. */
  get excess() {
    const { value } = this.field;
    return value.length <= this.maxCharacters ? 0 : [...value.trim()].length - this.maxCharacters;
  }

  update() {
    if (!GROWS) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
    const { excess } = this;
    this.hint.textContent = excess > 0 ? t("tooLong", { count: excess }) : t("hint");
    this.hint.classList.toggle("wrong", excess > 0);
    this.field.setAttribute("aria-invalid", String(excess > 0));
    this.sendButton.disabled = !this.field.value.trim() || excess > 0;
  }

  /**
   * @param {boolean} isBusy whether a turn is under way
   * @param {boolean} isStopping
   */
  show(isBusy, isStopping) {
    const hadFocus = document.activeElement === this.stopButton;
    this.isBusy = isBusy;
    this.sendButton.hidden = isBusy;
    this.stopButton.hidden = !isBusy;
    this.stopButton.disabled = isStopping;
    this.stopButton.setAttribute("aria-label", t(isStopping ? "stopping" : "stop"));
    if (hadFocus && (!isBusy || isStopping)) this.focus();
  }
}
