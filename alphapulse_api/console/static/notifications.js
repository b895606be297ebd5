// The log of notifications: who was told of what, and what became of it.

import { $, el, options } from "./dom.js";
import { instant, time, words } from "./format.js";
import { LogPanel } from "./log_panel.js";

const SECONDS = 15;
const EMPTY = "Nobody was told of anything. Name receivers and routes under notify: in the configuration.";
const SIGNS = { delivered: "✓", failed: "✖", pending: "◌", silenced: "∅" };

export class Notifications {
  constructor(app) {
    const section = $("#panel-notifications"), state = $("select[name=state]", section);
    options(state, [["", "any"], ...Object.keys(SIGNS).map((name) => [name, name])], "");
    const log = new LogPanel(app, section, {
      path: "api/notifications", seconds: SECONDS, empty: EMPTY, query: () => ({ state: state.value }),
      timeOf: ({ created_at }) => instant(created_at),
      columns: [
        ["Time", ({ created_at }) => el("time", { datetime: created_at, title: created_at }, time(created_at))],
        ["Receiver", ({ receiver }) => receiver],
        ["Alert", ({ title, severity, alert_id }) => el("span", { title: alert_id }, `${severity}: ${title}`), "wide"],
        ["Why", ({ cause }) => words(cause)],
        ["State", ({ state, delivered_at }) =>
          el("span", { "data-state": state, title: delivered_at }, `${SIGNS[state]} ${state}`)],
        ["Tries", ({ attempts }) => String(attempts), "n"],
        ["Error", ({ last_error }) => last_error ?? "–", "wide"],
      ],
    });
    this.start = () => log.start();
    this.state = () => log.state();
    state.addEventListener("change", () => log.refilter());
  }
}
