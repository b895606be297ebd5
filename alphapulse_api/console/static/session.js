// Who is signed in. The access token is in memory, and the refresh token in a cookie that no script can read: a reload and
// a second tab stay signed in until the browser is closed.

import { request } from "./api.js";

const SESSION = "token/session", COOKIE = Symbol("cookie");

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Events: `ask` (the password is needed; `detail` says why), `user` (somebody has signed in). */
export class Session extends EventTarget {
  /** @type {?{username: string, role: string, permissions: string[]}} */
  user = null;
  #access = null;
  #refresh = localStorage.session ? COOKIE : null; // the token itself where the server keeps no cookie for this page
  #timer;
  #renewal = null; // one at a time: using a refresh token twice ends the whole login
  #asking = null; // all callers that need a token wait for one login

  can = (permission) => this.user?.permissions.includes(permission) ?? false;

  /** @throws {import("./api.js").ApiError} */
  async login(username, password) {
    const form = { grant_type: "password", username, password };
    try {
      this.#keep(await grant(form, SESSION));
      localStorage.session = "open"; // a hint: the cookie itself is not to be seen
    } catch (error) {
      if (error.status !== 403) throw error;
      this.#keep(await grant(form)); // a proxy hides that the page is the server's own
    }
    await this.#identify();
    this.dispatchEvent(new Event("user"));
    this.#asking?.resolve();
    this.#asking = null;
  }

  async #identify() {
    const response = await request("api/me", { headers: { Authorization: `Bearer ${this.#access}` } });
    const user = await response.json();
    // Somebody else has signed in in another tab; the page begins anew with what that user may see.
    if (this.user && this.user.username !== user.username) location.reload();
    this.user = user;
  }

  /** An access token other than `refused`. Waits until the user has signed in. */
  async token(refused) {
    while (!this.#access || this.#access === refused) {
      if (this.#refresh) await (this.#renewal ??= this.#renew().finally(() => { this.#renewal = null; }));
      else await this.#ask(this.user ? "Your session has ended. Sign in again to go on." : "");
    }
    return this.#access;
  }

  async logout() {
    if (this.#refresh) await end(this.#refresh).catch(() => {}); // it also expires by itself
    delete localStorage.session;
    location.reload();
  }

  async #renew() {
    const isCookie = this.#refresh === COOKIE, isKnown = this.user !== null;
    for (let attempt = 0; ; attempt++) {
      try {
        const form = { grant_type: "refresh_token" };
        this.#keep(await (isCookie ? grant(form, SESSION) : grant({ ...form, refresh_token: this.#refresh })));
        if (isCookie) await this.#identify();
        return isKnown || this.dispatchEvent(new Event("user"));
      } catch (error) {
        if ([400, 401, 403].includes(error.status)) return this.#end();
        await pause(error.retryAfter || Math.random() * Math.min(20, 2 ** attempt)); // away or busy: the token stays valid
      }
    }
  }

  #end() {
    this.#access = this.#refresh = null;
    delete localStorage.session;
  }

  #keep({ access_token, refresh_token = COOKIE, expires_in }) {
    this.#access = access_token;
    this.#refresh = refresh_token;
    clearTimeout(this.#timer);
    // Before it expires, so that no request is refused first; a timer of over 24 days would fire at once.
    this.#timer = setTimeout(() => this.token(access_token), Math.min(0.75 * expires_in, 86400) * 1000);
  }

  #ask(reason) {
    if (!this.#asking) {
      this.#asking = Promise.withResolvers();
      this.dispatchEvent(new CustomEvent("ask", { detail: reason }));
    }
    return this.#asking.promise;
  }
}

/** End a login: that of the cookie, or that of a refresh token. */
const end = (token) => (token === COOKIE ? request(SESSION, { method: "DELETE", credentials: "same-origin" })
  : request("token/revoke", { method: "POST", body: new URLSearchParams({ token }) }));

/** One tab after the other: each renewal replaces the token that all of them share. Old browsers go without. */
const inTurn = (work) => (navigator.locks ? navigator.locks.request("alphapulse-session", work) : work());

/** RFC 6749, sections 4.3 and 6. @param {string} [path] SESSION keeps the refresh token in a cookie */
async function grant(form, path = "token") {
  const credentials = path === SESSION ? "same-origin" : "omit", body = new URLSearchParams(form);
  return inTurn(async () => (await request(path, { method: "POST", credentials, body })).json());
}
