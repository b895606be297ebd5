// Who did what: the audit log, for admins.

import { $, el, options } from "./dom.js";
import { downloadable } from "./download.js";
import { instant, time } from "./format.js";
import { LogPanel } from "./log_panel.js";

const SECONDS = 30;
const EMPTY = "No entries match.";

export class Audit {
  #filters = $("#audit-filters");
  #actions = new Set(); // that were seen
  #log;

  constructor(app) {
    const section = $("#panel-audit");
    const query = () => Object.fromEntries([...new FormData(this.#filters)].map(([name, text]) => [name, text.trim()]));
    this.#log = new LogPanel(app, section, {
      path: "api/audit", seconds: SECONDS, empty: EMPTY, query, timeOf: ({ at }) => instant(at),
      changed: (entries) => this.#offer(entries.map(({ action }) => action)),
      columns: [
        ["Time", ({ at }) => el("time", { datetime: at, title: at }, time(at))],
        ["Who", ({ actor, role, auth }) => el("span", { title: [role, auth].filter(Boolean).join(", ") }, actor ?? "nobody")],
        ["From", ({ address }) => address ?? "–"],
        ["Did", ({ action, count }) => (count > 1 ? `${action} (${count} times)` : action)],
        ["To", ({ target_kind, target_id, book }) =>
          [target_kind, target_id, book && `in ${book}`].filter(Boolean).join(" ")],
        ["Change", ({ before, after }) => changes(before, after), "wide"],
      ],
    });
    this.start = () => this.#log.start();
    this.state = () => this.#log.state();
    this.#filters.addEventListener("change", () => this.#log.refilter());
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
    downloadable(app, section, "api/audit", query);
  }

  #offer(actions) {
    const before = this.#actions.size, select = this.#filters.elements.action;
    for (const action of actions) this.#actions.add(action);
    if (this.#actions.size === before) return;
    options(select, [["", "anything"], ...[...this.#actions].sort().map((name) => [name, name])], select.value);
  }
}

/** The fields that changed, each as it was and as it became. */
function changes(before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value) ?? "–");
  return names.map((name) => (before && name in before
    ? `${name}: ${text(before[name])} → ${text(after?.[name])}` : `${name}: ${text(after[name])}`)).join(" · ");
}
