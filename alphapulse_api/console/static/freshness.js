// Whether what the page shows is still so. It is reckoned each second from ages, because old data send no messages.

import { $, el } from "./dom.js";
import { age, rfc3339, time } from "./format.js";
import { answers } from "./live.js";
import { tab } from "./tab.js";

const TICK_MS = 1000;
const JUMP_MS = 5000; // between two ticks: the machine slept, or its clock was set
const SILENT_MS = 12_000; // a ping every 10 s, and its answer
const HIDDEN_MS = 75_000; // browsers call timers of hidden pages once a minute

/**
 * @typedef {{since: number, why: string}} Fault
 * @typedef {{newest: ?number, stale?: ?Fault, doubt?: ?Fault}} State of a panel: the time of its newest data; since when
 *   they are too old; and what makes the headline doubtful, but not the panel. By the server's clock, in ms.
 */

/** The time since the last message, by both clocks: one may be set, and the other may stop while the machine sleeps. */
class Silence {
  #wall = Date.now();
  #steady = performance.now();

  end() {
    [this.#wall, this.#steady] = [Date.now(), performance.now()];
  }

  get ms() {
    return Math.max(Date.now() - this.#wall, performance.now() - this.#steady);
  }
}

export class Freshness {
  #app; #panels;
  #silence = new Silence();
  #connected = false;
  #lost = null; // since when the page is not live, ms
  #ticked = Date.now();

  /** @param {[string, {state: (now: number) => State}][]} panels by name; their sections are #panel-NAME */
  constructor(app, panels) {
    this.#app = app;
    this.#panels = panels.map(([name, panel]) => {
      const section = $(`#panel-${name}`), label = el("span", { class: "age" });
      $("h2", section).after(label);
      return { name, panel, section, label };
    });
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** Something came from the server. */
  heard() {
    this.#silence.end();
  }

  get isLive() {
    return this.#lost === null;
  }

  /** The stream is connecting, live, reconnecting or offline. The first connection may take its time. */
  streams(state) {
    if (state === "connecting" || state === "live") this.heard();
    this.#connected = state === "connecting" || state === "live";
    this.#tick();
  }

  #tick() {
    const gap = Math.abs(Date.now() - this.#ticked);
    this.#ticked = Date.now();
    if (gap > JUMP_MS) this.#app.stream?.check();
    if (!this.#app.stream) return;
    const now = this.#app.now(), silence = this.#silence.ms;
    const isLive = this.#connected && silence < (document.hidden ? HIDDEN_MS : SILENT_MS);
    this.#lost = isLive ? null : this.#lost ?? now - silence;
    this.#showLost();
    const faults = this.#panels.map((one) => this.#show(one, now));
    const worst = this.#lost === null ? faults.find(Boolean) : { since: this.#lost, why: "no connection" };
    this.#showHeadline(worst, now);
  }

  #showLost() {
    $("#lost").hidden = this.#lost === null;
    const words = this.#lost === null ? "" : `Not live since ${time(rfc3339(this.#lost))} UTC: no connection to the server. `
      + "Everything below is as of that time. The page reconnects by itself.";
    if ($("#lost").textContent !== words) $("#lost").textContent = words;
  }

  /** Show the age of a panel. @returns {?Fault} what makes the headline doubtful */
  #show({ name, panel, section, label }, now) {
    const { newest = null, stale = null, doubt = null } = panel.state(now), lost = this.#lost;
    const fault = lost === null ? unreadSince(section) ?? stale : { since: lost, why: "no connection" };
    if (fault) section.dataset.stale = fault.why;
    else delete section.dataset.stale;
    label.title = newest === null ? "" : `newest: ${rfc3339(newest)}`;
    label.textContent = fault ? `not live since ${time(rfc3339(fault.since))}: ${fault.why}`
      : newest === null ? "" : `newest ${age(now - newest)} ago`;
    return (name === "portfolio" ? fault : null) ?? doubt; // the headline shows the portfolio
  }

  #showHeadline(fault, now) {
    const headline = $("#headline"), label = $("#stale");
    if (fault) headline.dataset.stale = fault.why;
    else delete headline.dataset.stale;
    label.hidden = !fault;
    label.textContent = fault ? `stale for ${age(now - fault.since)}: ${fault.why}` : "";
    label.title = fault ? `since ${rfc3339(fault.since)}` : "";
    tab({ state: fault ? "stale" : "live" });
  }
}

/** Whether the last answers of a panel are too old, or its last request failed. */
function unreadSince(section) {
  const { failed = null, at, goodFor } = answers.get(section) ?? {};
  if (failed !== null) return { since: failed, why: "cannot be read" };
  return !document.hidden && at && Date.now() - at > goodFor ? { since: at, why: "not read" } : null;
}
