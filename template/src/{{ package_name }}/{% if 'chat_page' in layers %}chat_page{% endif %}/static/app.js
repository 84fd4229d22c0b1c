/** The page: signs in, and connects the parts. */

import { Api, Problem } from "./api.js";
import { Auth, readConfiguration } from "./auth.js";
import { Conversation } from "./conversation.js";
import { h, icon, iconButton, skip } from "./dom.js";
import { describe, describeSignIn } from "./errors.js";
import { language, t } from "./i18n.js";
import { finish, way } from "./oidc.js";
import { restoreTheme, switchTheme } from "./theme.js";
import { isOver, pendingCalls, textOf } from "./turns.js";
import { Composer } from "./view_composer.js";
import { Sidebar, confirmDeletion } from "./view_sidebar.js";
import { signInView } from "./view_sign_in.js";
import { TurnView, notice } from "./view_turn.js";

/** @typedef {import("./turns.js").Turn} Turn */

const NEAR = 80; // pixels from the end: the reader follows the answer
const SLOWEST = 400; // milliseconds between two pictures of a long answer

const configuration = readConfiguration();
const auth = new Auth();
const api = new Api(configuration.root, () => auth.token());

class Page {
  constructor() {
    /** @type {import("./api.js").Session[]} */
    this.sessions = [];
    /** @type {string | null} */
    this.next = null;
    /** @type {Map<Turn, TurnView>} */
    this.views = new Map();
    /** @type {Set<Turn>} */
    this.dirty = new Set();
    this.isPinned = true;
    this.lastTop = 0;
    this.readyAt = 0;
    this.said = "";

    this.conversation = new Conversation(api, {
      opened: () => this.showAll(),
      changed: (turn) => this.showTurn(turn),
      connection: (connected) => this.showConnection(connected),
      failed: (error, retry) => this.showError(error, retry),
      listed: () => this.list(),
    });
    this.sidebar = new Sidebar(configuration.name, {
      create: () => this.go(null),
      more: () => this.list(true),
      remove: (session) => this.remove(session),
      close: () => this.openMenu(false),
      theme: switchTheme,
      signOut: () => leave(),
    });
    this.composer = new Composer(configuration.maxCharacters, {
      send: (text) => this.send(text),
      stop: () => this.conversation.stop(),
    });
    this.status = h("p", { class: "hidden", role: "status" });
    this.title = h("h1", { class: "title" });
    this.turns = h("div", { class: "turns" });
    this.welcome = this.welcomeView();
    this.problem = h("div", { class: "column", role: "alert" });
    this.pill = h("p", { class: "pill", hidden: true });
    this.jump = iconButton("down", t("jump"), () => this.follow(), { class: "icon-button jump", hidden: true });
    this.menu = iconButton("menu", t("openMenu"), () => this.openMenu(true), {
      class: "icon-button on-phone",
      "aria-controls": "sidebar",
      "aria-expanded": "false",
    });
    this.scroller = h(
      "div",
      { class: "scroller", tabindex: 0, role: "region", "aria-label": t("conversation"), onscroll: () => this.scrolled() },
      this.welcome,
      this.turns,
    );
    this.main = h(
      "main",
      {},
      h("header", { class: "top" }, this.menu, this.title, iconButton("plus", t("newChat"), () => this.go(null), { class: "icon-button on-phone" })),
      this.scroller,
      h("div", { class: "dock" }, this.jump, this.pill, this.problem, this.composer.element),
      this.status,
    );
    this.shade = h("div", { class: "shade", onclick: () => this.openMenu(false) });
    this.element = h("div", { class: "app" }, h("a", { class: "skip", href: "#message", onclick: skip }, t("skip")), this.sidebar.element, this.shade, this.main);

    addEventListener("hashchange", () => this.route());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.body.classList.contains("menu-open")) this.openMenu(false);
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.conversation.refresh();
    });
    new ResizeObserver(() => this.keepPinned()).observe(this.turns);
  }

  welcomeView() {
    const keys = configuration.offline
      ? /** @type {const} */ (["example1", "example2", "example3"])
      : /** @type {const} */ (["general1", "general2", "general3"]);
    return h(
      "div",
      { class: "welcome" },
      h("span", { class: "logo large" }, icon("chat")),
      h("h2", {}, t("welcome")),
      h("p", { class: "lead" }, t("welcomeText")),
      h(
        "ul",
        { class: "examples", "aria-label": t("examples") },
        ...keys.map((key) => h("li", {}, h("button", { type: "button", onclick: () => this.send(t(key)) }, t(key)))),
      ),
      configuration.offline && h("p", { class: "fine" }, t("offline")),
    );
  }

  start() {
    document.body.replaceChildren(this.element);
    this.route();
    this.list();
    this.composer.restore(auth.take("draft"));
  }

  /** Open the chat that the address names. */
  route() {
    const session = /^#\/([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? null;
    this.openMenu(false);
    if (session !== this.conversation.session || !session) this.conversation.open(session);
    this.showList();
  }

  /** @param {string | null} session */
  go(session) {
    const hash = session ? `#/${session}` : "";
    history.pushState(null, "", location.pathname + location.search + hash);
    this.route();
    this.composer.focus();
  }

  /** @param {boolean} [more] */
  async list(more = false) {
    try {
      const page = await api.sessions(more ? this.next : null);
      this.sessions = more ? [...this.sessions, ...page.sessions] : page.sessions;
      this.next = page.next_cursor;
      this.showList();
    } catch (error) {
      this.showError(error, null);
    }
  }

  showList() {
    const { session } = this.conversation;
    this.sidebar.show(this.sessions.filter((each) => each.turn_count > 0 || each.session_id === session), session, this.next !== null);
    const found = this.sessions.find((each) => each.session_id === session);
    this.title.textContent = found?.title || t("untitled");
    document.title = found?.title ? `${found.title} – ${configuration.name}` : configuration.name;
  }

  /** @param {import("./api.js").Session} session */
  async remove(session) {
    if (!(await confirmDeletion(session.title || t("untitled")))) return;
    try {
      await api.deleteSession(session.session_id);
    } catch (error) {
      this.showError(error, null);
    }
    if (session.session_id === this.conversation.session) this.go(null);
    await this.list();
    this.conversation.channel.postMessage({ listed: true });
    this.sidebar.create.focus();
  }

  /** @param {string} text */
  send(text) {
    this.sent(this.conversation.send(text));
  }

  /** @param {Promise<void>} sending */
  sent(sending) {
    this.problem.replaceChildren();
    this.isPinned = true;
    this.composer.focus();
    sending.catch((error) => this.showError(error, null));
  }

  showAll() {
    this.problem.replaceChildren();
    const { turns } = this.conversation;
    for (const [turn, view] of this.views) {
      if (turns.includes(turn)) continue;
      view.element.remove();
      this.views.delete(turn);
    }
    if (!turns.length) this.isPinned = true;
    for (const turn of turns) this.draw(turn);
    this.showBusy();
  }

  /**
   * Show a changed turn with the next picture. Those of a long answer are drawn less often.
   * @param {Turn} turn
   */
  showTurn(turn) {
    const { session } = this.conversation;
    if (session && location.hash !== `#/${session}`) {
      history.replaceState(null, "", `${location.pathname}${location.search}#/${session}`);
    }
    this.announce(turn);
    this.showBusy();
    if (!this.dirty.size) {
      const wait = this.readyAt - performance.now();
      if (wait > 0) setTimeout(() => requestAnimationFrame(() => this.drawDirty()), wait);
      else requestAnimationFrame(() => this.drawDirty());
    }
    this.dirty.add(turn);
  }

  drawDirty() {
    const began = performance.now();
    for (const turn of this.dirty) if (this.conversation.turns.includes(turn)) this.draw(turn);
    this.dirty.clear();
    const took = performance.now() - began;
    this.readyAt = performance.now() + Math.min(SLOWEST, took * 4);
  }

  /** @param {Turn} turn */
  draw(turn) {
    const view = this.views.get(turn);
    if (view) view.update();
    else {
      const added = new TurnView(turn, {
        decide: (of, call, approved) => this.decide(of, call, approved),
        retry: (of) => this.sent(this.conversation.retry(of)),
        maxCharacters: configuration.maxCharacters,
      });
      this.views.set(turn, added);
      this.turns.append(added.element);
    }
    this.keepPinned();
  }

  /**
   * @param {Turn} turn
   * @param {import("./turns.js").Call} call
   * @param {boolean} approved
   */
  async decide(turn, call, approved) {
    this.problem.replaceChildren();
    await this.conversation.decide(turn, call, approved);
    if (call.approval?.decided === approved) this.say(t(approved ? "approvedNow" : "refusedNow", { name: call.name }));
    this.composer.focus();
  }

  showBusy() {
    const { active, turns } = this.conversation;
    this.welcome.hidden = turns.length > 0 || this.conversation.session !== null;
    this.composer.show(active !== null, active?.stopping ?? false);
  }

  /**
   * Tell readers who do not see the screen what happens, once each, instead of every word.
   * @param {Turn} turn
   */
  announce(turn) {
    const [waiting] = pendingCalls(turn);
    if (waiting) this.say(t("approvalNeeded", { name: waiting.name }));
    else if (!isOver(turn)) this.say(t("answering"));
    else if (turn.status === "succeeded") this.say(`${t("answered")}: ${textOf(turn)}`);
    else if (turn.status === "cancelled") this.say(t("stopped"));
  }

  /** @param {string} text */
  say(text) {
    if (text === this.said) return;
    this.said = text;
    this.status.textContent = text;
  }

  /** @param {boolean} connected */
  showConnection(connected) {
    if (connected && this.pill.hidden) return;
    this.pill.hidden = connected;
    this.pill.textContent = t("lost");
    this.say(t(connected ? "back" : "lost"));
  }

  /**
   * @param {unknown} error
   * @param {(() => void) | null} retry
   */
  showError(error, retry) {
    if (error instanceof Problem && error.status === 401) {
      leave(t("expired"), [this.conversation.unsent, this.composer.field.value].filter(Boolean).join("\n\n"));
      return;
    }
    const again =
      retry &&
      h("button", {
        type: "button",
        class: "secondary",
        onclick: () => {
          this.problem.replaceChildren();
          this.composer.focus();
          retry();
        },
      }, t("retry"));
    this.problem.replaceChildren(notice("error", describe(error, configuration.maxCharacters), ...(again ? [again] : [])));
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const distance = scrollHeight - clientHeight - scrollTop;
    if (scrollTop < this.lastTop && distance > NEAR) this.isPinned = false;
    else if (distance <= NEAR) this.isPinned = true;
    this.lastTop = scrollTop;
    this.jump.hidden = this.isPinned;
  }

  /** Stay at the end, unless the reader has scrolled up. */
  keepPinned() {
    if (this.isPinned) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.jump.hidden = this.isPinned;
  }

  follow() {
    this.isPinned = true;
    this.keepPinned();
    this.composer.focus();
  }

  /** @param {boolean} open */
  openMenu(open) {
    const wasOpen = document.body.classList.contains("menu-open");
    document.body.classList.toggle("menu-open", open);
    this.menu.setAttribute("aria-expanded", String(open));
    this.main.inert = open;
    if (open) this.sidebar.create.focus();
    else if (wasOpen) this.menu.focus();
  }
}

/**
 * Forget the token, and ask for another.
 * @param {string} [message]
 * @param {string} [draft] what is written and not sent
 */
function leave(message = "", draft = "") {
  auth.forget(message, draft);
  location.reload();
}

/** @param {string | null} message */
function askToSignIn(message) {
  const { provider } = configuration;
  const view = signInView(configuration.name, enter, message || auth.take("message"), provider && way(provider, configuration.root));
  document.title = `${t("signIn")} – ${configuration.name}`;
  document.body.replaceChildren(view.element);
  view.focus();
}

/**
 * @param {string} token
 * @returns {Promise<string | null>} why it was refused
 */
async function enter(token) {
  auth.accept(token);
  try {
    await api.sessions();
  } catch (error) {
    auth.forget("", auth.take("draft"));
    const refused = error instanceof Problem && error.status === 401;
    return refused ? t("tokenRefused", { reason: error.message }) : describe(error, configuration.maxCharacters);
  }
  new Page().start();
  return null;
}

/** Sign in with what the provider answered, or ask. */
async function comeBack() {
  try {
    const token = configuration.provider && (await finish(configuration.provider, configuration.root));
    const problem = token && (await enter(token));
    if (problem || !token) askToSignIn(problem);
  } catch (error) {
    askToSignIn(describeSignIn(error));
  }
}

document.documentElement.lang = language;
auth.takeFragment();
addEventListener("hashchange", () => {
  if (auth.takeFragment()) location.reload();
});
restoreTheme();
if (await auth.token()) new Page().start();
else await comeBack();
