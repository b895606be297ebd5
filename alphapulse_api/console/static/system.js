// The system: what every component last said of itself, and the API's own load out of its Prometheus text.

import { request } from "./api.js";
import { $, el, figures, sync } from "./dom.js";
import { ago, mebibytes, milliseconds, number, percent, words } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 15, FIRST_MINUTES = 10, PAGE = 10_000;
const STATUSES = { healthy: "●", warning: "▲", error: "✖", offline: "○" };
const EMPTY = "No samples in the last minutes. They appear here with POST /api/system, or feed.report_system().";

export class System {
  #app; #stop;
  #newest = new Map(); // component -> its newest sample
  #since = "";
  #counted = null; // the counters of the last time, and when that was

  constructor(app) {
    this.#app = app;
  }

  start() {
    this.#stop?.();
    this.#stop = polling(SECONDS, $("#panel-system"), async () => {
      const [samples, prometheus] = await Promise.all([this.#samples(), this.#app.api.get("metrics"), this.#ready()]);
      this.#show(samples, counters(prometheus.data));
      return samples.length ? "" : EMPTY;
    });
  }

  /** The newest sample of every component, reading only what came since the last time. */
  async #samples() {
    let start_time = this.#since || new Date(this.#app.now() - FIRST_MINUTES * 60_000).toISOString();
    let page = await this.#app.api.get("api/system", { start_time, limit: PAGE });
    for (;;) {
      for (const sample of page.data) this.#newest.set(sample.component, sample);
      this.#since = page.data.at(-1)?.timestamp ?? this.#since;
      if (!page.more) break;
      page = await this.#app.api.get(page.more);
    }
    return [...this.#newest.values()].sort((a, b) => (a.component < b.component ? -1 : 1));
  }

  async #ready() {
    const words = await request("readyz").then((response) => response.json())
      .then(({ checks }) => Object.entries(checks).map(([name, state]) => `${name} ${state}`).join(", "), (error) => error.message);
    $("#readiness").textContent = words;
  }

  #show(samples, now) {
    // Ages change though samples do not.
    sync($("#components tbody"), samples.map((sample) => ({ ...sample })), (sample) => sample.component, componentRow);
    const own = this.#newest.get("api")?.metrics ?? {};
    const before = this.#counted;
    const rate = (name) => (before ? Math.max(0, now[name] - before[name]) / ((now.at - before.at) / 1000) : null);
    this.#counted = now;
    figures($("#api-load"), [
      ["requests a second", number(rate("requests"))],
      ["server errors", number(now.failures)],
      ["answered from cache", percent(now.answers ? now.hits / now.answers : null)],
      ["events sent a second", number(rate("deliveries"))],
      ["sockets", number(now.sockets)],
      ["loop lag", milliseconds(now.lag * 1000)],
      ["CPU", percent(own.cpu_percent === undefined ? null : own.cpu_percent / 100)],
      ["memory", mebibytes(own.resident_bytes)],
    ]);
  }
}

function componentRow(sample) {
  const pairs = Object.entries(sample.metrics ?? {}).map(([name, value]) =>
    el("span", {}, `${words(name)} `, el("b", {}, number(value))));
  return el("tr", {},
    el("th", { scope: "row" }, sample.component),
    el("td", { "data-state": sample.status }, `${STATUSES[sample.status] ?? ""} ${sample.status}`),
    el("td", { class: "pairs" }, sample.message ? el("span", {}, sample.message) : null, ...pairs),
    el("td", { class: "n", title: sample.timestamp }, ago(sample.timestamp)));
}

/** The sums wanted here out of the Prometheus text format (0.0.4); the labels of one worker or of several. */
function counters(text) {
  const sum = (name, labels = "") => {
    const values = text.matchAll(new RegExp(`^alphapulse_${name}(?:\\{([^}\\n]*)\\})? (\\S+)`, "gm"));
    return [...values].filter(([, given = ""]) => new RegExp(labels).test(given)).reduce((all, [, , value]) => all + Number(value), 0);
  };
  return {
    at: performance.now(),
    requests: sum("http_requests_total"), failures: sum("http_requests_total", 'status="5'),
    answers: sum("cache_answers_total", "HIT|MISS"), hits: sum("cache_answers_total", "HIT"),
    deliveries: sum("websocket_deliveries_total"), sockets: sum("websocket_connections"), lag: sum("event_loop_lag_seconds"),
  };
}
