// Who is signed in. Tokens are kept in memory alone: closing the tab forgets them.

import { request } from "./api.js";

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Events: `ask` (the password is wanted; `detail` says why), `user` (somebody has signed in). */
export class Session extends EventTarget {
  /** @type {?{username: string, role: string, permissions: string[]}} */
  user = null;
  #access = null;
  #refresh = null;
  #timer;
  #renewal = null; // one at a time: a refresh token works once, and twice ends the whole family
  #asking = null; // everybody who needs a token waits for the one who types the password

  can = (permission) => this.user?.permissions.includes(permission) ?? false;

  /** @throws {import("./api.js").ApiError} */
  async login(username, password) {
    this.#keep(await grant({ grant_type: "password", username, password }));
    const response = await request("api/me", { headers: { Authorization: `Bearer ${this.#access}` } });
    this.user = await response.json();
    this.#asking?.resolve();
    this.#asking = null;
    this.dispatchEvent(new Event("user"));
  }

  /** An access token; another one than `refused`. Waits as long as the password takes. */
  async token(refused) {
    while (!this.#access || this.#access === refused) {
      if (this.#refresh) await (this.#renewal ??= this.#renew().finally(() => { this.#renewal = null; }));
      else await this.#ask(this.user ? "Your session has ended. Sign in again to go on." : "");
    }
    return this.#access;
  }

  async logout() {
    const body = new URLSearchParams({ token: this.#refresh ?? "" });
    if (this.#refresh) await request("token/revoke", { method: "POST", body }).catch(() => {}); // it ends by itself, too
    location.reload();
  }

  async #renew() {
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#keep(await grant({ grant_type: "refresh_token", refresh_token: this.#refresh }));
      } catch (error) {
        if (error.status === 400 || error.status === 401) return void (this.#access = this.#refresh = null);
        await pause(error.retryAfter || Math.random() * Math.min(20, 2 ** attempt)); // away or busy: it will know us
      }
    }
  }

  #keep({ access_token, refresh_token, expires_in }) {
    this.#access = access_token;
    this.#refresh = refresh_token;
    clearTimeout(this.#timer);
    // Before it expires, so that no request has to be refused first; a timer of over 24 days would fire at once.
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

/** RFC 6749, sections 4.3 and 6. */
const grant = async (form) => (await request("token", { method: "POST", body: new URLSearchParams(form) })).json();
