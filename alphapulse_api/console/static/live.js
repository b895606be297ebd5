// What keeps a panel current: a channel of the socket, or a question asked again and again.

import { say } from "./dom.js";

const RETRY_SECONDS = [2, 5, 15, 30];
const EMPTY_SECONDS = 10;

/** The past by REST, then the socket from the place that the answer was read at: nothing missing, nothing twice. */
export class Channel {
  #app; #name; #section; #load; #accept; #retry;
  #generation = 0;
  #failures = 0;

  /**
   * @param {object} app @param {string} name @param {Element} section says what goes wrong
   * @param {() => Promise<{cursor: string, filters?: object, apply: () => void}>} load reads, and changes nothing before `apply`
   * @param {(data: object, event: object) => void} accept takes an event; one that `apply` has shown may come again
   */
  constructor(app, name, section, load, accept) {
    Object.assign(app.channels, { [name]: this });
    this.#app = app;
    this.#name = name;
    this.#section = section;
    this.#load = load;
    this.#accept = accept;
  }

  accept(event) {
    this.#accept(event.data, event);
  }

  /** Read everything again; the newest call wins. */
  async reload() {
    const own = ++this.#generation;
    clearTimeout(this.#retry);
    try {
      const { cursor, filters, apply } = await this.#load();
      if (own !== this.#generation) return;
      this.#failures = 0;
      say(this.#section);
      apply();
      this.#app.stream.subscribe(this.#name, filters, cursor);
      // Where there is nothing yet there is no place to follow from, either.
      if (!cursor) this.#retry = setTimeout(() => this.reload(), EMPTY_SECONDS * 1000);
    } catch (error) {
      if (own !== this.#generation) return;
      say(this.#section, error.message, true);
      const seconds = RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)];
      this.#retry = setTimeout(() => this.reload(), seconds * 1000);
    }
  }
}

/**
 * Ask again every so many seconds, while the page is visible.
 * @param {number} seconds @param {Element} section says what goes wrong @param {() => Promise<string | void>} ask
 *   returns words for an empty panel
 * @returns {() => void} stops it
 */
export function polling(seconds, section, ask) {
  let timer, stopped = false;
  const once = async () => {
    clearTimeout(timer);
    try {
      if (!document.hidden) say(section, (await ask()) ?? "");
    } catch (error) {
      say(section, error.message, true);
    }
    if (!stopped) timer = setTimeout(once, seconds * 1000);
  };
  const shown = () => document.hidden || once();
  document.addEventListener("visibilitychange", shown);
  once();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
