// Keeps a panel current, by a channel of the socket or by polling.

import { say } from "./dom.js";

/**
 * What became of the last request of a panel, by its section: when it was answered, for how long that holds, and since when
 * requests fail. @type {Map<Element, {at?: number, goodFor?: number, failed: ?number}>}
 */
export const answers = new Map();
const answered = (section, goodFor = Infinity) => answers.set(section, { at: Date.now(), goodFor, failed: null });
const failed = (section) => answers.set(section, { failed: answers.get(section)?.failed ?? Date.now() });

const RETRY_SECONDS = [2, 5, 15, 30];
const EMPTY_SECONDS = 10;
const MISSED = 3; // polls in a row, after which a panel is out of date

/** Reads the past by REST, then follows the socket from the cursor of that answer: nothing is missing or repeated. */
export class Channel {
  #app; #name; #section; #load; #retry;
  #generation = 0;
  #failures = 0;

  #controller = new AbortController();

  /**
   * @param {(signal: AbortSignal) => Promise<{cursor: string, filters?: object, apply: () => void}>} load changes nothing before `apply`
   * @param {(data: object) => void} accept handles an event; one that `apply` has shown may be repeated
   */
  constructor(app, name, section, load, accept) {
    this.#app = app;
    this.#name = name;
    this.#section = section;
    this.#load = load;
    this.accept = accept;
    app.channels[name] = this;
  }

  /** Read everything again, after `wait` ms. A newer call replaces an older one, whose requests are cancelled. */
  async reload(wait = 0) {
    const own = ++this.#generation;
    this.#controller.abort();
    this.#controller = new AbortController();
    const again = (seconds) => { this.#retry = setTimeout(() => this.reload(), seconds * 1000); };
    clearTimeout(this.#retry);
    if (wait) await new Promise((done) => setTimeout(done, wait));
    if (own !== this.#generation) return;
    try {
      const { cursor, filters, apply } = await this.#load(this.#controller.signal);
      if (own !== this.#generation) return;
      this.#failures = 0;
      answered(this.#section);
      say(this.#section);
      apply();
      this.#app.stream.subscribe(this.#name, filters, cursor);
      if (!cursor) again(EMPTY_SECONDS); // an empty channel has no cursor to follow from
    } catch (error) {
      if (own !== this.#generation) return;
      failed(this.#section);
      say(this.#section, error.message, true);
      again(error.retryAfter || RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)]);
    }
  }
}

/** Call `ask` every `seconds` while the page is visible; it returns the text of an empty panel. Returns the starter. */
export function polling(seconds, section, ask) {
  let timer;
  const once = async () => {
    let wait = seconds;
    try {
      if (!document.hidden) {
        say(section, await ask());
        answered(section, MISSED * seconds * 1000);
      }
    } catch (error) {
      failed(section);
      say(section, error.message, true);
      wait = Math.max(seconds, error.retryAfter ?? 0);
    }
    clearTimeout(timer);
    timer = setTimeout(once, wait * 1000);
  };
  document.addEventListener("visibilitychange", () => timer && !document.hidden && once());
  return once;
}
