// What keeps a panel current: a channel of the socket, or a question asked again and again.

import { say } from "./dom.js";

const RETRY_SECONDS = [2, 5, 15, 30];
const EMPTY_SECONDS = 10;

/** The past by REST, then the socket from the place that the answer was read at: nothing missing, nothing twice. */
export class Channel {
  #app; #name; #section; #load; #retry;
  #generation = 0;
  #failures = 0;

  /**
   * @param {() => Promise<{cursor: string, filters?: object, apply: () => void}>} load changes nothing before `apply`
   * @param {(data: object) => void} accept takes an event; one that `apply` has shown may come again
   */
  constructor(app, name, section, load, accept) {
    this.#app = app;
    this.#name = name;
    this.#section = section;
    this.#load = load;
    this.accept = accept;
    app.channels[name] = this;
  }

  /** Read everything again; the newest call wins. */
  async reload() {
    const own = ++this.#generation;
    const again = (seconds) => { this.#retry = setTimeout(() => this.reload(), seconds * 1000); };
    clearTimeout(this.#retry);
    try {
      const { cursor, filters, apply } = await this.#load();
      if (own !== this.#generation) return;
      this.#failures = 0;
      say(this.#section);
      apply();
      this.#app.stream.subscribe(this.#name, filters, cursor);
      if (!cursor) again(EMPTY_SECONDS); // where there is nothing yet, there is no place to follow from
    } catch (error) {
      if (own !== this.#generation) return;
      say(this.#section, error.message, true);
      again(error.retryAfter || RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)]);
    }
  }
}

/** Ask every so many seconds while the page is visible; `ask` returns words for an empty panel. Returns what starts it. */
export function polling(seconds, section, ask) {
  let timer;
  const once = async () => {
    let wait = seconds;
    try {
      if (!document.hidden) say(section, await ask());
    } catch (error) {
      say(section, error.message, true);
      wait = Math.max(seconds, error.retryAfter ?? 0);
    }
    clearTimeout(timer);
    timer = setTimeout(once, wait * 1000);
  };
  document.addEventListener("visibilitychange", () => timer && !document.hidden && once());
  return once;
}
