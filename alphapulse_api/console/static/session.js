// Who is signed in. Tokens are kept in memory only: closing the tab discards them.

import { request } from "./api.js";

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Events: `ask` (the password is needed; `detail` says why), `user` (somebody has signed in). */
export class Session extends EventTarget {
  /** @type {?{username: string, role: string, permissions: string[]}} */
  user = null;
  #access = null;
  #refresh = null;
  #timer;
  #renewal = null; // one at a time: using a refresh token twice ends the whole login
  #asking = null; // all callers that need a token wait for one login

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

  /** An access token other than `refused`. Waits until the user has signed in. */
  async token(refused) {
    while (!this.#access || this.#access === refused) {
      if (this.#refresh) await (this.#renewal ??= this.#renew().finally(() => { this.#renewal = null; }));
      else await this.#ask(this.user ? "Your session has ended. Sign in again to go on." : "");
    }
    return this.#access;
  }

  async logout() {
    const body = new URLSearchParams({ token: this.#refresh ?? "" });
    if (this.#refresh) await request("token/revoke", { method: "POST", body }).catch(() => {}); // it also expires by itself
    location.reload();
  }

  async #renew() {
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#keep(await grant({ grant_type: "refresh_token", refresh_token: this.#refresh }));
      } catch (error) {
        if (error.status === 400 || error.status === 401) return void (this.#access = this.#refresh = null);
        await pause(error.retryAfter || Math.random() * Math.min(20, 2 ** attempt)); // away or busy: the token stays valid
      }
    }
  }

  #keep({ access_token, refresh_token, expires_in }) {
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

/** RFC 6749, sections 4.3 and 6. */
const grant = async (form) => (await request("token", { method: "POST", body: new URLSearchParams(form) })).json();
