/** The list of chats. */

import { h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./api.js").Session} Session */

/**
 * @typedef {object} SidebarActions
 * @property {() => void} create
 * @property {() => void} more
 * @property {(session: Session) => void} remove
 * @property {() => void} close
 * @property {() => void} theme
 * @property {() => void} signOut
 */

export class Sidebar {
  /**
   * @param {string} name of the service
   * @param {SidebarActions} actions
   */
  constructor(name, actions) {
    this.actions = actions;
    this.list = h("ul", { class: "chats" });
    this.more = h("button", { type: "button", class: "secondary wide", onclick: actions.more }, t("more"));
    this.empty = h("p", { class: "fine" }, t("noChats"));
    this.create = h("button", { type: "button", class: "new-chat", onclick: actions.create }, icon("plus"), h("span", {}, t("newChat")));
    this.element = h(
      "aside",
      { class: "sidebar", id: "sidebar", "aria-label": t("chats") },
      h(
        "div",
        { class: "brand" },
        h("span", { class: "logo" }, icon("chat")),
        h("p", {}, name),
        iconButton("close", t("closeMenu"), actions.close, { class: "icon-button on-phone" }),
      ),
      this.create,
      h("nav", { "aria-label": t("chats") }, this.list, this.empty, this.more),
      h(
        "div",
        { class: "tools" },
        h("button", { type: "button", class: "quiet-button", onclick: actions.signOut }, icon("out"), h("span", {}, t("signOut"))),
        iconButton("sun", t("theme"), actions.theme),
      ),
    );
  }

  /**
   * @param {Session[]} sessions
   * @param {string | null} current
   * @param {boolean} hasMore
   */
  show(sessions, current, hasMore) {
    const focused = document.activeElement?.getAttribute("data-key");
    this.list.replaceChildren(...sessions.map((session) => this.item(session, session.session_id === current)));
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
    this.empty.hidden = sessions.length > 0;
    this.more.hidden = !hasMore;
  }

  /**
   * @param {Session} session
   * @param {boolean} isCurrent
   */
  item(session, isCurrent) {
    const title = session.title || t("untitled");
    return h(
      "li",
      { class: isCurrent ? "current" : "" },
      h("a", { href: `#/${session.session_id}`, "aria-current": isCurrent && "page", title, "data-key": session.session_id }, title),
      iconButton("trash", t("deleteChat", { title }), () => this.actions.remove(session), { "data-key": `delete ${session.session_id}` }),
    );
  }
}

/**
 * Ask before something is deleted.
 * @param {string} title
 * @returns {Promise<boolean>}
 */
export function confirmDeletion(title) {
  return new Promise((resolve) => {
    /** @type {HTMLDialogElement} */
    const dialog = h(
      "dialog",
      {
        "aria-labelledby": "dialog-title",
        onclose: () => {
          dialog.remove();
          resolve(dialog.returnValue === "delete");
        },
      },
      h("h2", { id: "dialog-title" }, t("deleteTitle")),
      h("p", {}, t("deleteText", { title })),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", class: "secondary", autofocus: true, onclick: () => dialog.close() }, t("keep")),
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("delete") }, t("delete")),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
