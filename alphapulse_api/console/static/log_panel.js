// A panel that lists entries of a log, newest first, and older ones on request.

import { $, say, table } from "./dom.js";
import { polling } from "./live.js";

const LIMIT = 100;

export class LogPanel {
  #app; #section; #path; #query; #show; #timeOf; #changed;
  #rows = new Map(); // id -> entry, newest first
  #more; // path of the next older page
  #generation = 0; // of the filters

  /**
   * @param {object} log
   * @param {string} log.path of the list
   * @param {number} log.seconds between polls
   * @param {Parameters<typeof table>[1]} log.columns
   * @param {string} log.empty what an empty panel says
   * @param {(entry: object) => number} log.timeOf epoch ms
   * @param {() => object} [log.query] what the panel's filters ask for
   * @param {(entries: object[]) => void} [log.changed] is called with what is listed
   */
  constructor(app, section, { path, seconds, columns, empty, timeOf, query = () => ({}), changed = () => {} }) {
    this.#app = app;
    this.#section = section;
    this.#path = path;
    this.#query = query;
    this.#timeOf = timeOf;
    this.#changed = changed;
    this.#show = table(`#${$("table", section).id}`, columns);
    this.start = polling(seconds, section, async () => {
      await this.#read();
      return this.#rows.size ? "" : empty;
    });
    $("button[name=older]", section).addEventListener("click", () => this.#older());
  }

  /** @returns {import("./freshness.js").State} */
  state() {
    const first = this.#rows.values().next().value;
    return { newest: first ? this.#timeOf(first) : null };
  }

  /** Show an entry that is new, or that has changed. */
  put(row) {
    const isNew = !this.#rows.has(row.id);
    if (isNew) this.#rows = new Map([[row.id, row], ...this.#rows]);
    else this.#rows.set(row.id, row);
    say(this.#section);
    this.#list();
  }

  /** Read again by other filters. */
  refilter() {
    this.#generation++;
    this.#rows.clear();
    return this.start();
  }

  async #read() {
    const own = this.#generation, { data, more } = await this.#app.api.get(this.#path, { ...this.#query(), limit: LIMIT });
    if (own !== this.#generation) return;
    const fresh = new Map(data.map((row) => [row.id, this.#known(row)]));
    // Without a row in common, there may be others in between.
    const joins = data.some(({ id }) => this.#rows.has(id));
    if (!joins) this.#more = more;
    this.#rows = new Map([...fresh, ...(joins ? [...this.#rows].filter(([id]) => !fresh.has(id)) : [])]);
    this.#list();
  }

  async #older() {
    const own = this.#generation;
    try {
      const { data, more } = await this.#app.api.get(this.#more);
      if (own !== this.#generation) return;
      for (const row of data) if (!this.#rows.has(row.id)) this.#rows.set(row.id, row);
      this.#more = more;
      this.#list();
    } catch (error) {
      say(this.#section, error.message, true);
    }
  }

  /** The row as it is known, if it is the same: it need not be drawn again. */
  #known(row) {
    const known = this.#rows.get(row.id);
    return JSON.stringify(known) === JSON.stringify(row) ? known : row;
  }

  #list() {
    this.#show([...this.#rows.values()], ({ id }) => id);
    $("button[name=older]", this.#section).hidden = !this.#more;
    this.#changed([...this.#rows.values()]);
  }
}
