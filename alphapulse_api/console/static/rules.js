// Rules: what they watch and what they do now; who may, makes, changes, tests and ends them.

import { $, el, say, table } from "./dom.js";
import { instant, newest, number, words } from "./format.js";
import { polling } from "./live.js";
import { ask } from "./question.js";
import { RuleForm } from "./rule_form.js";

const SECONDS = 15, LIMIT = 1000;
const EMPTY = "No rules. Make one here, by POST /api/rules, or under rules: in the configuration.";
const SIGNS = { ok: "●", pending: "◔", firing: "▲", error: "✖", disabled: "○" };

export class Rules {
  #app; #form;
  #section = $("#panel-rules");
  #rules = [];
  #show = table("#rules", [
    ["Rule", ({ name, id }) => el("span", { title: id }, name)],
    ["State", (rule) => el("span", { "data-state": rule.state }, stateWords(rule)), "wide"],
    ["Condition", inWords, "wide"],
    ["Severity", ({ severity }) => severity],
    ["From", ({ origin }) => ({ api: "here", config: "configuration" })[origin] ?? origin],
    ["", (rule) => el("div", { class: "actions" }, ...this.#buttons(rule))],
  ]);

  constructor(app) {
    this.#app = app;
    this.#form = new RuleForm(app, () => this.start());
    const poll = polling(SECONDS, this.#section, () => this.#load());
    this.start = () => {
      $("button[name=new]", this.#section).hidden = !this.allowed;
      return poll();
    };
    $("button[name=new]", this.#section).addEventListener("click", () => this.#form.open());
  }

  get allowed() {
    return this.#app.session.can("manage_rules");
  }

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#rules, ({ updated_at }) => instant(updated_at)) });

  async #load() {
    const { data } = await this.#app.api.getAll("api/rules", { limit: LIMIT });
    this.#rules = data;
    this.#show(data, ({ id }) => id);
    return data.length ? "" : EMPTY;
  }

  /** Rules of the configuration cannot be changed here. */
  #buttons(rule) {
    if (!this.allowed || rule.origin !== "api") return [];
    const button = (action, text, act) => el("button", { type: "button", "data-action": action, onclick: act }, text);
    return [
      button("switch", rule.enabled ? "Disable" : "Enable", () => this.#switch(rule)),
      button("edit", "Edit", () => this.#form.open(rule)),
      button("delete", "Delete", () => ask(`Delete the rule ${rule.name}?`, "Delete", () => this.#send("DELETE", rule))),
    ];
  }

  async #send(method, { id }, content = undefined) {
    await this.#app.api.send(method, `api/rules/${encodeURIComponent(id)}`, content);
    await this.start();
  }

  async #switch(rule) {
    try {
      await this.#send("PUT", rule, { ...rule, enabled: !rule.enabled });
    } catch (error) {
      say(this.#section, error.message, true);
    }
  }
}

function stateWords({ state, error, firing, pending }) {
  const groups = [[firing, "firing"], [pending, "pending"]].filter(([count]) => count > 1).map((pair) => pair.join(" "));
  return [`${SIGNS[state] ?? "•"} ${state}`, ...groups, error].filter(Boolean).join(": ");
}

/** What a rule waits for, in words: last of risk var > 5, for 5m. */
function inWords(rule) {
  const { watch, metric_type, metric_name, matchers, book, agent_id, component, field } = rule;
  const thing = watch === "metric" ? `${words(metric_type)} ${metric_name}` : `${watch} ${field ?? ""}`;
  const only = [...Object.entries(matchers ?? {}).map((pair) => pair.join(" = ")), book, agent_id, component].filter(Boolean);
  const what = [thing.trim(), ...(only.length ? [`(${only.join(", ")})`] : [])].join(" ");
  if (rule.function === "silence") return `nothing heard of ${what} for ${rule.window}`;
  const { threshold_series: other } = rule;
  const limit = other ? `${other.metric_type} ${other.name}` : number(rule.threshold);
  const made = rule.function === "last" ? what : `${words(rule.function)} of ${what} over ${rule.window}`;
  return `${made} ${rule.operator} ${limit}${rule.for && rule.for !== "0s" ? `, for ${rule.for}` : ""}`;
}
