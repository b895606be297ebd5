// Alerts: the list, the count in the header, and the actions for users who may take them.

import { $, batched, el, onSubmit, say, sync } from "./dom.js";
import { downloadable } from "./download.js";
import { instant, newest, time } from "./format.js";
import { Channel } from "./live.js";
import { tab } from "./tab.js";

const MAX_KEPT = 1000, MAX_SHOWN = 200;
const SEVERITIES = ["info", "warning", "error", "critical"];
const SIGNS = { info: "ℹ", warning: "▲", error: "✖", critical: "⬣" };
const ACTIONS = { acknowledge: "Acknowledge", resolve: "Resolve" };
const SHOWN = { open: (status) => status !== "resolved", active: (status) => status === "active", all: () => true };
const progress = ({ acknowledged, status }) => Number(acknowledged) + 2 * Number(status === "resolved");
/** Whether one state of an alert is later than another: it only progresses until it fires again, at a later time. */
const isLater = (one, other) => one.created_at === other.created_at
  ? progress(one) > progress(other) : one.created_at > other.created_at;
const EMPTY = "No alerts here. They appear when a rule fires: POST /api/alerts, or feed.raise_alert().";

export class Alerts {
  #app; #silences;
  #section = $("#panel-alerts");
  #status = $("select[name=status]", this.#section);
  #severity = $("select[name=severity]", this.#section);
  #dialog = $("#alert-dialog");
  #asked; // {action, alert} of the open dialog
  #alerts = new Map(); // id -> alert, oldest first
  #followed = null; // id of the alert that the address names
  #linked = null; // the same until it is shown
  #announced = ""; // the newest alert, for screen readers; empty once it was announced
  #channel;
  #render = batched(() => this.#show());

  /** @param {import("./silences.js").Silences} silences asks how to silence alerts */
  constructor(app, silences) {
    this.#app = app;
    this.#silences = silences;
    this.#channel = new Channel(app, "alerts", this.#section, (signal) => this.#load(signal), (alert) => this.#accept(alert));
    addEventListener("hashchange", () => this.#follow());
    for (const select of [this.#status, this.#severity]) select.addEventListener("change", this.#render);
    const severities = () => SEVERITIES.slice(Number(this.#severity.value)).join();
    downloadable(app, this.#section, "api/alerts", () => ({ severity: severities() }));
    onSubmit($("form", this.#dialog), (elements) => this.#act(elements));
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  start() {
    $("#alerts").replaceChildren(); // the buttons depend on the user
    return this.#channel.reload();
  }

  /** Show the alert that the address names, as links in notifications do: on top, whatever is filtered and however old it is. */
  async #follow() {
    const id = new URLSearchParams(location.hash.slice(1)).get("alert");
    if (!id || id === this.#followed) return;
    this.#followed = this.#linked = id;
    try {
      const alert = this.#alerts.get(id) ?? (await this.#app.api.get(`api/alerts/${encodeURIComponent(id)}`)).data;
      this.#alerts.delete(id);
      this.#status.value = "all";
      this.#severity.value = "0";
      this.#put(alert);
    } catch (error) {
      say(this.#section, error.message, true);
    }
  }

  async #load(signal) {
    const { data, cursor } = await this.#app.api.get("api/alerts", { limit: MAX_KEPT }, signal);
    return { cursor, apply: () => {
      this.#alerts = new Map(data.reverse().map((alert) => [alert.id, alert]));
      this.#changed();
      this.#follow();
    } };
  }

  #accept(alert) {
    const known = this.#alerts.get(alert.id);
    const isNew = !known || alert.created_at > known.created_at;
    if (alert.status === "active" && isNew) this.#announced = `${alert.severity}: ${alert.title}`;
    this.#put(alert);
  }

  #put(alert) {
    const known = this.#alerts.get(alert.id);
    if (known && isLater(known, alert)) return; // the answer is older than another user's action
    if (known && alert.created_at > known.created_at) this.#alerts.delete(alert.id); // it is the newest now
    this.#alerts.set(alert.id, alert);
    const [...all] = this.#alerts.values();
    if (all.length > MAX_KEPT) this.#alerts.delete((all.find(({ status }) => status !== "active") ?? all[0]).id);
    this.#changed();
  }

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#alerts.values(), ({ created_at }) => instant(created_at)) });

  #active = () => [...this.#alerts.values()].filter(({ status }) => status === "active");

  /** Update the tab's title at once: it is visible even where no frame is drawn. */
  #changed() {
    const count = this.#active().length;
    tab({ active: count });
    this.#render();
  }

  #show() {
    const active = this.#active();
    $("#active-alerts").textContent = active.length;
    const worst = Math.max(-1, ...active.map(({ severity }) => SEVERITIES.indexOf(severity)));
    $("#alert-badge").dataset.severity = SEVERITIES[worst] ?? "none";
    if (this.#announced) $("#announcer").textContent = this.#announced; // setting it again would read it out again
    this.#announced = "";
    const least = Number(this.#severity.value), wanted = SHOWN[this.#status.value];
    const passing = [...this.#alerts.values()].reverse()
      .filter(({ status, severity }) => wanted(status) && SEVERITIES.indexOf(severity) >= least);
    sync($("#alerts"), passing.slice(0, MAX_SHOWN), ({ id }) => id, (alert) => this.#item(alert));
    if (this.#alerts.has(this.#linked)) this.#showLinked();
    if ($(".status.error", this.#section)) return;
    const cut = passing.length > MAX_SHOWN ? `The newest ${MAX_SHOWN} of ${passing.length}.` : "";
    say(this.#section, passing.length ? cut : EMPTY);
  }

  #showLinked() {
    for (const item of $("#alerts").children) item.toggleAttribute("data-linked", item.dataset.id === this.#linked);
    $("#alerts [data-linked]").scrollIntoView({ block: "center" });
    this.#linked = null;
  }

  #item(alert) {
    const button = (action) =>
      el("button", { type: "button", "data-action": action, onclick: () => this.#ask(action, alert) }, ACTIONS[action]);
    const silence =
      el("button", { type: "button", "data-action": "silence", onclick: () => this.#silences.ask(alert) }, "Silence…");
    const may = this.#app.session.can("acknowledge_alerts") && alert.status !== "resolved";
    const acknowledged = alert.acknowledged_by && `by ${alert.acknowledged_by}`;
    const again = alert.occurrences > 1 && `${alert.occurrences} times, last ${time(alert.last_seen_at)}`;
    return el("li", { "data-status": alert.status, "data-severity": alert.severity },
      el("p", { class: "severity" }, el("span", { "aria-hidden": "true" }, SIGNS[alert.severity]), ` ${alert.severity}`),
      el("h3", {}, alert.title), alert.message ? el("p", {}, alert.message) : null,
      el("p", { class: "meta" },
        el("time", { datetime: alert.created_at, title: alert.created_at }, time(alert.created_at)),
        ["", ...new Set([alert.source, ...(alert.tags ?? []), alert.status, acknowledged, again].filter(Boolean))].join(" · ")),
      alert.comments ? el("p", { class: "comments" }, alert.comments) : null,
      may ? el("p", { class: "actions" }, alert.acknowledged ? null : button("acknowledge"), button("resolve"),
        this.#silences.allowed ? silence : null) : null);
  }

  #ask(action, alert) {
    this.#asked = { action, alert };
    const { comments } = $("form", this.#dialog).elements;
    $("form", this.#dialog).reset();
    $("[role=alert]", this.#dialog).textContent = "";
    // Only an acknowledgement has comments, and the first one counts.
    comments.closest("label").hidden = alert.acknowledged;
    $("#alert-question").textContent = `${ACTIONS[action]} this alert?`;
    $("[data-field=title]", this.#dialog).textContent = alert.title;
    $("button[type=submit]", this.#dialog).textContent = ACTIONS[action];
    this.#dialog.showModal();
  }

  async #act({ comments }) {
    const { action, alert } = this.#asked, path = `api/alerts/${encodeURIComponent(alert.id)}`;
    const said = comments.value.trim() ? { comments: comments.value.trim() } : {};
    if (action === "acknowledge" || (said.comments && !alert.acknowledged)) {
      this.#put(await this.#app.api.post(`${path}/acknowledge`, said));
    }
    if (action === "resolve") this.#put(await this.#app.api.post(`${path}/resolve`));
    this.#dialog.close();
    $("#alerts").focus(); // the button that had the focus may be gone
  }
}
