// Agents: state, figures and latest signals.

import { $, el, pairs, table } from "./dom.js";
import { ago, instant, money, newest, number, percent, time, words } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 10, SIGNALS = 4, LIMIT = 1000;
const STATES = { active: "●", optimizing: "◐", initializing: "◔", inactive: "○", stopped: "■", error: "✖" };
const DIRECTIONS = { buy: "▲", cover: "▲", sell: "▼", short: "▼", hold: "•" };
const EMPTY = "No agents yet. They appear here with PUT /api/agents/{id}, or feed.update_agent().";

export class Agents {
  #agents = [];

  /** @param {import("./commands.js").Commands} commands has the buttons */
  constructor(app, commands) {
    const show = table("#agents", [
      ["Agent", (agent) => el("span", { title: `updated ${ago(agent.updated_at)}` }, agent.agent_id)],
      ["Type", (agent) => words(agent.agent_type ?? "–")],
      ["State", ({ state }) => el("span", { "data-state": state }, `${STATES[state]} ${state}`)],
      ["Figures", ({ metrics }) => pairs(Object.entries(metrics).map(([name, value]) => [words(name), number(value)]))],
      ["Last signals", ({ signals }) => el("div", { class: "pairs" }, ...signals.slice(0, SIGNALS).map(signalMark))],
      ["Commands", (agent) => el("div", { class: "actions" }, ...commands.buttons(agent)), "of-commands"],
    ]);
    this.start = polling(SECONDS, $("#panel-agents"), async () => {
      const { data } = await app.api.getAll("api/agents", { limit: LIMIT });
      this.#agents = data;
      $("#panel-agents").toggleAttribute("data-control", app.session.can("control"));
      show(data, (agent) => agent.agent_id);
      return data.length ? "" : EMPTY;
    });
  }

  /** What is shown. */
  list = () => this.#agents;

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#agents, ({ updated_at }) => instant(updated_at)) });
}

function signalMark({ direction, symbol, confidence, target_price, stop_loss, timestamp, abstained, reason }) {
  // Not a hold: the agent has no opinion.
  if (abstained) {
    return el("span", { class: "abstained", title: `${reason ?? "no reason given"}, ${timestamp}` },
      el("b", {}, `∅ abstained ${symbol}`), ` ${reason ?? ""} ${time(timestamp)}`);
  }
  const title = `confidence ${percent(confidence)}, target ${money(target_price)}, stop ${money(stop_loss)}, ${timestamp}`;
  return el("span", { title },
    el("b", {}, `${DIRECTIONS[direction]} ${direction} ${symbol}`), ` ${time(timestamp)}`);
}
