// Silences: alerts that nobody is told of for a while. They are made from an alert, listed, and ended.

import { $, el, onSubmit, options, say, table } from "./dom.js";
import { instant, newest, rfc3339, time } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 30, LIMIT = 200;
const EMPTY = "No silences are in force.";
const SPANS = [["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["604800", "1 week"]];
// What of an alert a silence may match: the matcher, and its values.
const MATCHERS = {
  rule_id: ({ rule_id }) => [rule_id], source: ({ source }) => [source], severity: ({ severity }) => [severity],
  tags: ({ tags }) => tags ?? [], book: ({ book }) => [book],
};
const PRESET = ["rule_id", "source"];

export class Silences {
  #app;
  #section = $("#panel-silences");
  #dialog = $("#silence-dialog");
  #silences = [];
  #show = table("#silences", [
    ["Alerts", ({ matchers }) => inWords(matchers), "wide"],
    ["Until", ({ until }) => el("time", { datetime: until, title: until }, time(until))],
    ["Begins", ({ starts_at }) => el("time", { datetime: starts_at, title: starts_at }, time(starts_at))],
    ["By", ({ created_by }) => created_by],
    ["Comment", ({ comment }) => comment || "–", "wide"],
    ["", ({ id }) => (this.allowed ? this.#button(id) : "")],
  ]);

  constructor(app) {
    this.#app = app;
    this.start = polling(SECONDS, this.#section, () => this.#load());
    options($("select[name=span]", this.#dialog), SPANS, SPANS[0][0]);
    onSubmit($("form", this.#dialog), (elements) => this.#create(elements));
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  /** Whether the user may make and end silences: they are about the alerts of all books. */
  get allowed() {
    return this.#app.session.can("acknowledge_alerts") && this.#app.session.user.books === null;
  }

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#silences, ({ created_at }) => instant(created_at)) });

  async #load() {
    const { data } = await this.#app.api.get("api/silences", { limit: LIMIT });
    const now = this.#app.now();
    this.#silences = data.filter(({ until }) => instant(until) > now); // those to come, too
    this.#show(this.#silences, ({ id }) => id);
    return this.#silences.length ? "" : EMPTY;
  }

  /** Ask how to silence alerts like this one. */
  ask(alert) {
    const form = $("form", this.#dialog), list = $("fieldset div", this.#dialog);
    form.reset();
    $("[role=alert]", this.#dialog).textContent = "";
    const known = Object.entries(MATCHERS).map(([name, of]) => [name, of(alert).filter(Boolean)])
      .filter(([, values]) => values.length);
    const preset = known.some(([name]) => PRESET.includes(name)) ? PRESET : [known[0][0]];
    list.replaceChildren(...known.map(([name, values]) => el("label", {},
      el("input", { type: "checkbox", name: "matcher", value: JSON.stringify([name, values]), checked: preset.includes(name) }),
      inWords({ [name]: values }))));
    this.#dialog.showModal();
  }

  async #create({ span, comment }) {
    const chosen = [...this.#dialog.querySelectorAll("[name=matcher]:checked")].map(({ value }) => JSON.parse(value));
    if (!chosen.length) throw new Error("Choose what the silence is about.");
    const until = rfc3339(this.#app.now() + Number(span.value) * 1000);
    await this.#app.api.post("api/silences", { matchers: Object.fromEntries(chosen), until, comment: comment.value.trim() });
    this.#dialog.close();
    await this.start();
  }

  #button = (id) => el("button", { type: "button", "data-action": "end", onclick: () => this.#end(id) }, "End");

  async #end(id) {
    try {
      await this.#app.api.send("DELETE", `api/silences/${encodeURIComponent(id)}`);
      await this.start();
    } catch (error) {
      say(this.#section, error.message, true);
    }
  }
}

const NAMES = { rule_id: "rule", min_severity: "severity from" };

const inWords = (matchers) => Object.entries(matchers)
  .map(([name, values]) => `${NAMES[name] ?? name} ${[values].flat().map((value) => value || "none").join(" or ")}`).join(", ");
