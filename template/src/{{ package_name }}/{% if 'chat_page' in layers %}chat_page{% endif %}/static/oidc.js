/**
 * Sign-in with an OpenID provider: the authorization code with PKCE (RFC 7636, RFC 9700; OpenID Connect Core 1.0).
 *
 * The provider's server sends the person back to this page with a code. Only the tab that began the sign-in can redeem
 * it, because only there is the verifier, and it accepts only the answer to its own question, because of the state.
 */

/** @typedef {{ issuer: string, client: string, scope: string, tokenUrl: string | null }} Provider */
/** @typedef {{ state: string, nonce: string, verifier: string, fragment: string }} Pending */

const PENDING = "sign-in";

/** Why nobody is signed in now: the key of a text, and the provider's own words. */
export class SignInError extends Error {
  /**
   * @param {"signInUnreachable" | "signInUnexpected" | "signInDenied" | "signInElsewhere"} key
   * @param {string} [reason]
   */
  constructor(key, reason = "") {
    super(reason || key);
    this.key = key;
    this.reason = reason;
  }
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {string} verifier */
async function challenge(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

/**
 * The address to return to, which the provider has to know.
 * @param {string} root
 */
function here(root) {
  return `${location.origin}${root}/`;
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<any>} the JSON of an answer, also of an error
 */
async function json(url, options) {
  try {
    const response = await fetch(url, { ...options, credentials: "omit", redirect: "error" });
    return await response.json();
  } catch {
    throw new SignInError("signInUnreachable");
  }
}

/** @param {Provider} provider */
async function discover(provider) {
  const found = await json(`${provider.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const { origin } = new URL(provider.issuer);
  if (found.issuer !== provider.issuer) throw new SignInError("signInUnexpected", `issuer ${found.issuer}`);
  if (!found.authorization_endpoint || !found.token_endpoint) throw new SignInError("signInUnexpected", "endpoints");
  // The page's policy allows no other server, and nobody else may get the code.
  const isExpected = provider.tokenUrl ? found.token_endpoint === provider.tokenUrl : new URL(found.token_endpoint).origin === origin;
  if (!isExpected) throw new SignInError("signInElsewhere", found.token_endpoint);
  return found;
}

/**
 * Go to the provider.
 * @param {Provider} provider
 * @param {string} root
 */
async function begin(provider, root) {
  const { authorization_endpoint } = await discover(provider);
  /** @type {Pending} */
  const pending = { state: random(), nonce: random(), verifier: random(), fragment: location.hash };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const address = new URL(authorization_endpoint);
  const values = {
    response_type: "code",
    client_id: provider.client,
    redirect_uri: here(root),
    scope: provider.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await challenge(pending.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(values)) address.searchParams.set(name, value);
  location.assign(address);
}

/**
 * A provider as the choice of a person.
 * @param {Provider} provider
 * @param {string} root
 */
export function way(provider, root) {
  return { host: new URL(provider.issuer).host, go: () => begin(provider, root) };
}

/**
 * Come back from the provider. The code leaves the address at once.
 * @param {Provider} provider
 * @param {string} root
 * @returns {Promise<string | null>} the token; nothing if this is no return
 */
export async function finish(provider, root) {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state") || !(answer.has("code") || answer.has("error"))) return null;
  const stored = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  /** @type {Pending | null} */
  const pending = stored && JSON.parse(stored);
  history.replaceState(null, "", location.pathname + (pending?.fragment ?? ""));
  if (!pending || answer.get("state") !== pending.state) throw new SignInError("signInUnexpected", "state");
  if (answer.has("iss") && answer.get("iss") !== provider.issuer) throw new SignInError("signInUnexpected", "iss");
  if (answer.has("error")) throw new SignInError("signInDenied", answer.get("error_description") || answer.get("error") || "");
  const { token_endpoint } = await discover(provider);
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code: answer.get("code") ?? "",
    redirect_uri: here(root),
    client_id: provider.client,
    code_verifier: pending.verifier,
  });
  const given = await json(token_endpoint, { method: "POST", body });
  if (given.error) throw new SignInError("signInDenied", given.error_description || given.error);
  if (!given.access_token || !isExpected(given.id_token, provider, pending)) throw new SignInError("signInUnexpected", "id_token");
  return given.access_token;
}

/**
 * Whether an ID token is the answer to this sign-in. It came straight from the provider, so its signature adds nothing
 * (OpenID Connect Core, 3.1.3.7).
 * @param {unknown} token
 * @param {Provider} provider
 * @param {Pending} pending
 */
function isExpected(token, provider, pending) {
  try {
    const claims = JSON.parse(atob(String(token).split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return claims.iss === provider.issuer && claims.nonce === pending.nonce && [claims.aud].flat().includes(provider.client);
  } catch {
    return false;
  }
}
