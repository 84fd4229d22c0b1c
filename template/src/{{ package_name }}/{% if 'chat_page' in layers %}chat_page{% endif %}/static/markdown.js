/**
 * Markdown of answers as elements. Answers are untrusted: HTML in them stays text, DOMPurify removes all but the elements
 * below, and images become links, since loading one would tell its server what the answer put into its address.
 */

import { copyText, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { Lexer, Parser, walkTokens } from "./vendor/marked.esm.js";
import DOMPurify from "./vendor/purify.es.mjs";

const ALLOWED = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a".split(" "),
    ..."table thead tbody tr th td input".split(" "),
  ],
  ALLOWED_ATTR: ["href", "title", "align", "start", "class", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true,
};

/** @typedef {{ raw: string, element: HTMLElement }} Block */

/**
 * Show a text in an element, and change only the blocks that differ from those shown before.
 * @param {HTMLElement} container
 * @param {Block[]} shown
 * @param {string} text
 * @returns {Block[]} the blocks shown now
 */
export function render(container, shown, text) {
  const tokens = Lexer.lex(text).filter((token) => token.type !== "space" && token.type !== "def");
  const blocks = tokens.map((token, index) => {
    const before = shown[index];
    if (before?.raw === token.raw) return before;
    const element = h("div", { class: "block" });
    element.append(elementsOf(token));
    if (before) before.element.replaceWith(element);
    else container.append(element);
    return { raw: token.raw, element };
  });
  for (const { element } of shown.slice(blocks.length)) element.remove();
  return blocks;
}

/** @param {import("./vendor/marked.esm.js").Token} token */
function elementsOf(token) {
  walkTokens([token], (each) => {
    if (each.type === "html") {
      const text = { type: "text", raw: each.raw, text: each.raw, escaped: false };
      Object.assign(each, each.block ? { type: "paragraph", tokens: [text] } : { ...text, tokens: undefined });
    } else if (each.type === "image") {
      const text = each.text || each.href;
      Object.assign(each, { type: "link", tokens: [{ type: "text", raw: text, text, escaped: false }] });
    }
  });
  const fragment = /** @type {DocumentFragment} */ (/** @type {unknown} */ (DOMPurify.sanitize(Parser.parse([token]), ALLOWED)));
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const box of fragment.querySelectorAll("input")) {
    if (box.type === "checkbox") box.disabled = true;
    else box.remove();
  }
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    // Below the heading of the message (h2), so that the outline of the page stays one tree.
    const level = Math.min(6, Number(heading.tagName[1]) + 2);
    heading.replaceWith(h(/** @type {"h3"} */ (`h${level}`), {}, ...heading.childNodes));
  }
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  for (const table of fragment.querySelectorAll("table")) {
    const frame = h("div", { class: "table", tabindex: 0, role: "group", "aria-label": t("table") });
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

/** @param {HTMLPreElement} pre */
function codeBlock(pre) {
  const code = pre.querySelector("code");
  const text = pre.textContent || "";
  const name = [...(code?.classList || [])].find((each) => each.startsWith("language-"))?.slice("language-".length) || "";
  const labels = { copy: t("copy"), copied: t("copied") };
  /** @type {HTMLButtonElement} */
  const button = h(
    "button",
    { type: "button", class: "quiet-button", onclick: () => copyText(button, text, labels) },
    icon("copy"),
    h("span", {}, labels.copy),
  );
  return h(
    "figure",
    { class: "code" },
    h("figcaption", {}, h("span", {}, name || t("code")), button),
    h("pre", { tabindex: 0, role: "group", "aria-label": name || t("code") }, h("code", {}, text)),
  );
}
