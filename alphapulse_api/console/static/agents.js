// Agents: what state they are in, their figures, and what they last said.

import { $, el, sync } from "./dom.js";
import { ago, money, number, percent, time, words } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 10, SIGNALS = 4;
const STATES = { active: "●", optimizing: "◐", initializing: "◔", inactive: "○", stopped: "■", error: "✖" };
const DIRECTIONS = { buy: "▲", cover: "▲", sell: "▼", short: "▼", hold: "•" };
const EMPTY = "No agents yet. They appear here with PUT /api/agents/{id}, or feed.update_agent().";

export class Agents {
  #app; #stop;

  constructor(app) {
    this.#app = app;
  }

  start() {
    this.#stop?.();
    this.#stop = polling(SECONDS, $("#panel-agents"), async () => {
      const { data } = await this.#app.api.get("api/agents");
      sync($("#agents tbody"), data, (agent) => agent.agent_id, agentRow);
      return data.length ? "" : EMPTY;
    });
  }
}

function agentRow(agent) {
  const figures = Object.entries(agent.metrics).map(([name, value]) =>
    el("span", {}, `${words(name)} `, el("b", {}, number(value))));
  return el("tr", {},
    el("th", { scope: "row" }, agent.agent_id, el("small", {}, words(agent.agent_type ?? ""))),
    el("td", { "data-state": agent.state, title: `updated ${ago(agent.updated_at)}` }, `${STATES[agent.state] ?? ""} ${agent.state}`),
    el("td", { class: "pairs" }, ...figures),
    el("td", { class: "pairs" }, ...agent.signals.slice(0, SIGNALS).map(signalMark)));
}

function signalMark(signal) {
  const details = [
    signal.confidence === null ? null : `confidence ${percent(signal.confidence)}`,
    signal.target_price && `target ${money(signal.target_price)}`,
    signal.stop_loss && `stop ${money(signal.stop_loss)}`,
    signal.timestamp,
  ];
  return el("span", { title: details.filter(Boolean).join(", ") },
    el("b", {}, `${DIRECTIONS[signal.direction] ?? ""} ${signal.direction} ${signal.symbol}`), ` ${time(signal.timestamp)}`);
}
