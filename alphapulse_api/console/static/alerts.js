// Alerts: the list, the count that is seen from anywhere, and what those who may can do about them.

import { $, batched, el, say, sync } from "./dom.js";
import { time } from "./format.js";
import { Channel } from "./live.js";

const MAX_KEPT = 1000, MAX_SHOWN = 200;
const SEVERITIES = ["info", "warning", "error", "critical"];
const SIGNS = { info: "ℹ", warning: "▲", error: "✖", critical: "⬣" };
const ACTIONS = { acknowledge: "Acknowledge", resolve: "Resolve" };
const SHOWN = { open: (status) => status !== "resolved", active: (status) => status === "active", all: () => true };
const EMPTY = "No alerts here. They appear when a rule fires: POST /api/alerts, or feed.raise_alert().";

export class Alerts {
  #app;
  #section = $("#panel-alerts");
  #status = $("select[name=status]", this.#section);
  #severity = $("select[name=severity]", this.#section);
  #dialog = $("#alert-dialog");
  #asked; // {action, alert} that the dialog is about
  #alerts = new Map(); // id -> alert
  #channel;
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#channel = new Channel(app, "alerts", this.#section, () => this.#load(), (alert) => this.#accept(alert));
    for (const select of [this.#status, this.#severity]) select.addEventListener("change", this.#render);
    $("form", this.#dialog).addEventListener("submit", (event) => this.#submit(event));
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  start() {
    $("#alerts").replaceChildren(); // another user may see other buttons
    return this.#channel.reload();
  }

  async #load() {
    const { data, cursor } = await this.#app.api.get("api/alerts", { limit: MAX_KEPT });
    const apply = () => {
      this.#alerts = new Map(data.map((alert) => [alert.id, alert]));
      this.#changed();
    };
    return { cursor, apply };
  }

  #accept(alert) {
    if (!this.#alerts.has(alert.id) && alert.status === "active") {
      $("#announcer").textContent = `${alert.severity}: ${alert.title}`;
    }
    this.#put(alert);
  }

  #put(alert) {
    this.#alerts.set(alert.id, alert);
    if (this.#alerts.size > MAX_KEPT) {
      const sorted = this.#newestFirst();
      this.#alerts.delete((sorted.findLast(({ status }) => status !== "active") ?? sorted.at(-1)).id);
    }
    this.#changed();
  }

  #newestFirst() {
    return [...this.#alerts.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }

  /** The count at once: the tab's title changes where no frame is drawn, too. */
  #changed() {
    const active = [...this.#alerts.values()].filter(({ status }) => status === "active");
    document.title = active.length ? `(${active.length}) AlphaPulse` : "AlphaPulse";
    $("#active-alerts").textContent = active.length;
    const worst = Math.max(-1, ...active.map(({ severity }) => SEVERITIES.indexOf(severity)));
    $("#alert-badge").dataset.severity = SEVERITIES[worst] ?? "none";
    this.#render();
  }

  #show() {
    const least = Number(this.#severity.value), wanted = SHOWN[this.#status.value];
    const passing = this.#newestFirst().filter((a) => wanted(a.status) && SEVERITIES.indexOf(a.severity) >= least);
    sync($("#alerts"), passing.slice(0, MAX_SHOWN), ({ id }) => id, (alert) => this.#item(alert));
    if ($(".status.error", this.#section)) return;
    say(this.#section, !passing.length ? EMPTY : passing.length > MAX_SHOWN ? `The newest ${MAX_SHOWN} of ${passing.length}.` : "");
  }

  #item(alert) {
    const button = (action) =>
      el("button", { type: "button", "data-action": action, onclick: () => this.#ask(action, alert) }, ACTIONS[action]);
    const may = this.#app.session.can("acknowledge_alerts") && alert.status !== "resolved";
    const acknowledged = alert.acknowledged_by && `by ${alert.acknowledged_by}`;
    return el("li", { "data-status": alert.status, "data-severity": alert.severity },
      el("p", { class: "severity" }, el("span", { "aria-hidden": "true" }, SIGNS[alert.severity]), ` ${alert.severity}`),
      el("h3", {}, alert.title),
      alert.message ? el("p", {}, alert.message) : null,
      el("p", { class: "meta" },
        el("time", { datetime: alert.created_at, title: alert.created_at }, time(alert.created_at)),
        ["", ...new Set([alert.source, ...(alert.tags ?? []), alert.status, acknowledged].filter(Boolean))].join(" · ")),
      alert.comments ? el("p", { class: "comments" }, alert.comments) : null,
      may ? el("p", { class: "actions" }, alert.acknowledged ? null : button("acknowledge"), button("resolve")) : null);
  }

  #ask(action, alert) {
    this.#asked = { action, alert };
    const { comments } = $("form", this.#dialog).elements;
    comments.value = "";
    // An acknowledgement is what carries comments, and the first one stands.
    comments.closest("label").hidden = alert.acknowledged;
    $("#alert-question").textContent = `${ACTIONS[action]} this alert?`;
    $("[data-field=title]", this.#dialog).textContent = alert.title;
    $("button[type=submit]", this.#dialog).textContent = ACTIONS[action];
    $(".status", this.#dialog).textContent = "";
    this.#dialog.showModal();
  }

  async #submit(event) {
    event.preventDefault();
    const { action, alert } = this.#asked;
    const comments = event.target.elements.comments.value.trim();
    const path = `api/alerts/${encodeURIComponent(alert.id)}`;
    const submit = $("button[type=submit]", this.#dialog);
    submit.disabled = true;
    try {
      if (action === "acknowledge" || (comments && !alert.acknowledged)) {
        this.#put(await this.#app.api.post(`${path}/acknowledge`, comments ? { comments } : {}));
      }
      if (action === "resolve") this.#put(await this.#app.api.post(`${path}/resolve`));
      this.#dialog.close();
    } catch (error) {
      $(".status", this.#dialog).textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  }
}
