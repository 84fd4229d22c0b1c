/** The page before somebody has signed in. */

import { readConfiguration } from "./auth.js";
import { h, icon } from "./dom.js";
import { describeSignIn } from "./errors.js";
import { t } from "./i18n.js";

/**
 * @param {string} name of the service
 * @param {(token: string) => Promise<string | null>} enter tries a token; returns why it was refused
 * @param {string} [message]
 * @param {{ host: string, go: () => Promise<void> } | null} [provider] to sign in with
 */
export function signInView(name, enter, message = "", provider = null) {
  const problem = h("p", { id: "problem", class: "problem", role: "alert" }, message);
  const field = h("input", {
    id: "token",
    name: "token",
    type: "password",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "token-hint problem",
  });
  const button = h("button", { class: "primary wide" }, t("signIn"));
  const form = h(
    "form",
    {
      onsubmit: async (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        button.disabled = true;
        problem.textContent = (await enter(field.value.trim())) || "";
        button.disabled = false;
        field.select();
        field.focus();
      },
    },
    h("label", { for: "token" }, t("token")),
    field,
    h("p", { id: "token-hint", class: "fine" }, `${t(readConfiguration().offline ? "tokenHintHere" : "tokenHint")} ${t("tokenKept")}`),
    problem,
    button,
  );
  if (provider) {
    const go = h("button", {
      type: "button",
      class: "primary wide",
      onclick: async () => {
        go.disabled = true;
        problem.textContent = "";
        try {
          await provider.go();
        } catch (error) {
          problem.textContent = describeSignIn(error);
          go.disabled = false;
        }
      },
    }, t("providerSignIn", { host: provider.host }));
    form.replaceChildren(problem, go);
    return { element: card(name, form), focus: () => go.focus() };
  }
  return { element: card(name, form), focus: () => field.focus() };
}

/**
 * @param {string} name
 * @param {HTMLElement} form
 */
function card(name, form) {
  return h(
    "main",
    { class: "sign-in" },
    h("div", { class: "card" }, h("span", { class: "logo" }, icon("chat")), h("h1", {}, name), h("p", { class: "lead" }, t("signInText", { name })), form),
  );
}
