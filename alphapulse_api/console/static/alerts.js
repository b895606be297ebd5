// Alerts: the list, the count that is seen from anywhere, and what those who may can do about them.

import { $, batched, el, say, sync } from "./dom.js";
import { time } from "./format.js";
import { Channel } from "./live.js";

const MAX_KEPT = 1000, MAX_SHOWN = 200;
const SEVERITIES = ["info", "warning", "error", "critical"];
const SIGNS = { info: "ℹ", warning: "▲", error: "✖", critical: "⬣" };
const EMPTY = "No alerts here. They appear when a rule fires: POST /api/alerts, or feed.raise_alert().";
const ACTIONS = { acknowledge: "Acknowledge", resolve: "Resolve" };

export class Alerts {
  #app; #section; #channel; #status; #severity; #dialog; #asked;
  #alerts = new Map(); // id -> alert
  #moreExist = false;
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#section = $("#panel-alerts");
    this.#status = $("select[name=status]", this.#section);
    this.#severity = $("select[name=severity]", this.#section);
    this.#dialog = $("#alert-dialog");
    this.#channel = new Channel(app, "alerts", this.#section, () => this.#load(), (alert, event) => this.#accept(alert, event));
    for (const select of [this.#status, this.#severity]) select.addEventListener("change", () => this.#show());
    $("form", this.#dialog).addEventListener("submit", (event) => this.#submit(event));
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  start() {
    $("#alerts").replaceChildren(); // another user may see other buttons
    return this.#channel.reload();
  }

  async #load() {
    const { data, cursor, more } = await this.#app.api.get("api/alerts", { limit: MAX_KEPT });
    const apply = () => {
      this.#alerts = new Map(data.map((alert) => [alert.id, alert]));
      this.#moreExist = more !== undefined;
      this.#changed();
    };
    return { cursor, apply };
  }

  #accept(alert, event) {
    const isNew = !this.#alerts.has(alert.id) && alert.status === "active" && !event.snapshot;
    this.#put(alert);
    if (isNew) $("#announcer").textContent = `${alert.severity}: ${alert.title}`;
  }

  #put(alert) {
    this.#alerts.set(alert.id, alert);
    if (this.#alerts.size > MAX_KEPT) {
      const oldest = this.#newestFirst().findLast((old) => old.status !== "active") ?? this.#newestFirst().at(-1);
      this.#alerts.delete(oldest.id);
      this.#moreExist = true;
    }
    this.#changed();
  }

  #newestFirst() {
    return [...this.#alerts.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }

  /** The count at once, for the tab's title changes where no frame is drawn, too. */
  #changed() {
    const active = [...this.#alerts.values()].filter((alert) => alert.status === "active");
    document.title = active.length ? `(${active.length}) AlphaPulse` : "AlphaPulse";
    $("#active-alerts").textContent = active.length;
    const worst = Math.max(-1, ...active.map((alert) => SEVERITIES.indexOf(alert.severity)));
    $("#alert-badge").dataset.severity = SEVERITIES[worst] ?? "none";
    this.#render();
  }

  #show() {
    const least = Number(this.#severity.value);
    const wanted = { open: (s) => s !== "resolved", active: (s) => s === "active" }[this.#status.value] ?? (() => true);
    const passing = this.#newestFirst().filter((a) => wanted(a.status) && SEVERITIES.indexOf(a.severity) >= least);
    sync($("#alerts"), passing.slice(0, MAX_SHOWN), (alert) => alert.id, (alert) => this.#item(alert));
    if ($(".status", this.#section).classList.contains("error")) return;
    const cut = passing.length > MAX_SHOWN || this.#moreExist;
    say(this.#section, !passing.length ? EMPTY : cut ? `The newest ${Math.min(MAX_SHOWN, passing.length)} are shown.` : "");
  }

  #item(alert) {
    const button = (action) =>
      el("button", { type: "button", "data-action": action, onclick: () => this.#ask(action, alert) }, ACTIONS[action]);
    const may = this.#app.session.can("acknowledge_alerts");
    return el("li", { "data-status": alert.status, "data-severity": alert.severity },
      el("p", { class: "severity" }, el("span", { "aria-hidden": "true" }, SIGNS[alert.severity]), ` ${alert.severity}`),
      el("h3", {}, alert.title),
      alert.message ? el("p", {}, alert.message) : null,
      el("p", { class: "meta" },
        el("time", { datetime: alert.created_at, title: alert.created_at }, time(alert.created_at)),
        ` · ${[alert.source, ...(alert.tags ?? [])].filter(Boolean).join(" · ")} · ${alert.status}`,
        alert.acknowledged_by ? ` by ${alert.acknowledged_by}${alert.comments ? `: “${alert.comments}”` : ""}` : null),
      may && alert.status !== "resolved"
        ? el("p", { class: "actions" }, alert.acknowledged ? null : button("acknowledge"), button("resolve"))
        : null);
  }

  #ask(action, alert) {
    this.#asked = { action, alert };
    const { elements } = $("form", this.#dialog);
    elements.comments.value = "";
    // An acknowledgement is what carries comments, and the first one stands.
    elements.comments.closest("label").hidden = alert.acknowledged;
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
    const submit = $("button[type=submit]", this.#dialog);
    const path = `api/alerts/${encodeURIComponent(alert.id)}`;
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
