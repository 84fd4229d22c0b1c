/**
 * The token of the person who signed in.
 *
 * It is kept in the storage of this tab: no other tab, and no request but those that `Api` makes, carries it. A cookie
 * would go along with every request, and so would need protection against forged ones; `localStorage` would outlive the
 * tab. A script could read either; the page's policy runs none but its own.
 */

const TOKEN = "token";

/**
 * @typedef {{ name: string, root: string, offline: boolean, maxCharacters: number,
 *   provider: import("./oidc.js").Provider | null }} Configuration
 */

/** @returns {Configuration} */
export function readConfiguration() {
  const meta = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="configuration"]'));
  return JSON.parse(meta.content);
}

export class Auth {
  /**
   * Take the token of an address such as `/#token=…`, and remove it there: `dev` prints one. A fragment never reaches a
   * server, and after this, it is not in the history either.
   */
  takeFragment() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!given) return false;
    history.replaceState(null, "", location.pathname + location.search);
    this.accept(given);
    return true;
  }

  /** @returns {Promise<string | null>} */
  async token() {
    return sessionStorage.getItem(TOKEN);
  }

  /** @param {string} token */
  accept(token) {
    sessionStorage.setItem(TOKEN, token);
  }

  /**
   * @param {string} message for the person who has to sign in again
   * @param {string} [draft] what this person has written and not sent
   */
  forget(message, draft = "") {
    sessionStorage.clear();
    if (message) sessionStorage.setItem("message", message);
    if (draft) sessionStorage.setItem("draft", draft);
  }

  /**
   * What `forget` has kept, once.
   * @param {"message" | "draft"} kept
   */
  take(kept) {
    const text = sessionStorage.getItem(kept) ?? "";
    sessionStorage.removeItem(kept);
    return text;
  }
}
