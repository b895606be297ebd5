// The system: the newest sample of every component, and the API's own load from its Prometheus text.

import { request } from "./api.js";
import { $, el, figures, pairs, table } from "./dom.js";
import { ago, instant, mebibytes, milliseconds, newest, number, percent, rfc3339, words } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 15, FIRST_MS = 600_000, OVERLAP_MS = 60_000, PAGE = 10_000;
const KEPT_TIMES = 9, SILENT_MS = 60_000, MISSED = 3; // reports
const STATUSES = { healthy: "●", warning: "▲", error: "✖", offline: "○" };
const EMPTY = "No samples in the last minutes. They appear here with POST /api/system, or feed.report_system().";

export class System {
  #app;
  #newest = new Map(); // component -> its newest sample
  #times = new Map(); // component -> the times of its last samples, ms, oldest first
  #asked = null; // time of the last poll, ms
  #before = null; // the counters of the last poll, and its time

  constructor(app) {
    this.#app = app;
    const show = table("#components", [
      ["Component", ({ component }) => component],
      ["Status", ({ status, silent }) =>
        el("span", { "data-state": silent ? "error" : status }, silent ? "✖ silent" : `${STATUSES[status]} ${status}`)],
      ["Figures", ({ metrics, message }) => el("div", {}, message ? `${message} ` : null,
        pairs(Object.entries(metrics ?? {}).map(([name, value]) => [words(name), number(value)])))],
      ["Seen", ({ timestamp }) => ago(timestamp), "n"],
    ]);
    this.start = polling(SECONDS, $("#panel-system"), async () => {
      const [prometheus] = await Promise.all([app.api.get("metrics"), this.#read(), showReadiness()]);
      this.#showLoad(counters(prometheus.data));
      const samples = [...this.#newest.values()].map((sample) =>
        ({ ...sample, silent: this.#isSilent(sample, app.now()) })); // copies: ages change
      showReplay(this.#newest.get("replay"));
      show(samples.sort((a, b) => (a.component < b.component ? -1 : 1)), ({ component }) => component);
      return samples.length ? "" : EMPTY;
    });
  }

  /** The newest sample of every component, reading only those since the last poll, with a tolerance for clocks. */
  async #read() {
    const now = this.#app.now();
    const start_time = rfc3339(this.#asked === null ? now - FIRST_MS : this.#asked - OVERLAP_MS);
    const { data } = await this.#app.api.getAll("api/system", { start_time, limit: PAGE });
    for (const sample of data) this.#note(sample);
    if (data.length) this.#asked = now;
  }

  #note(sample) {
    this.#newest.set(sample.component, sample);
    const times = new Set([...this.#times.get(sample.component) ?? [], instant(sample.timestamp)]);
    this.#times.set(sample.component, [...times].sort((a, b) => a - b).slice(-KEPT_TIMES));
  }

  /** Whether a component has missed several of its usual reports; one that said that it is offline has not. */
  #isSilent({ component, status }, now) {
    const times = this.#times.get(component), gaps = times.slice(1).map((at, n) => at - times[n]).sort((a, b) => a - b);
    if (status === "offline" || gaps.length < 2) return false; // how often it reports is unknown
    return now - times.at(-1) > Math.max(SILENT_MS, MISSED * gaps[gaps.length >> 1]);
  }

  /** @returns {import("./freshness.js").State} */
  state(now) {
    const at = ({ timestamp }) => instant(timestamp), samples = [...this.#newest.values()];
    const silent = samples.filter((sample) => this.#isSilent(sample, now)).sort((a, b) => at(a) - at(b))[0];
    return { newest: newest(samples, at), doubt: silent && { since: at(silent), why: `${silent.component} is silent` } };
  }

  #showLoad(now) {
    const own = this.#newest.get("api")?.metrics ?? {}, before = this.#before;
    const rate = (name) => (before ? Math.max(0, now[name] - before[name]) / ((now.at - before.at) / 1000) : null);
    figures($("#api-load"), [
      ["requests a second", number(rate("requests"))], ["server errors", number(now.failures)],
      ["answered from cache", percent(now.answers ? now.hits / now.answers : null)],
      ["events sent a second", number(rate("deliveries"))],
      ["sockets", number(now.sockets)], ["loop lag", milliseconds(now.lag * 1000)],
      ["CPU", percent(own.cpu_percent === undefined ? null : own.cpu_percent / 100)],
      ["memory", mebibytes(own.resident_bytes)],
    ]);
    this.#before = now;
  }
}

/** The demo replays old prices at today's times: its component says which day of history it shows. */
function showReplay(sample) {
  $("#replay").hidden = !sample?.message;
  $("#replay").textContent = `Demo. Real prices, replayed: ${sample?.message}.`;
}

async function showReadiness() {
  const { checks, message } = await request("readyz").then((response) => response.json()).catch((error) => error);
  $("#readiness").textContent = message ?? Object.entries(checks).map(([name, state]) => `${name} ${state}`).join(", ");
}

/** Sums over all labels from the Prometheus text format (0.0.4). */
function counters(text) {
  const sum = (name, labels = /./) => [...text.matchAll(new RegExp(`^alphapulse_${name}(\\{.*\\})? (\\S+)$`, "gm"))]
    .filter(([sample]) => labels.test(sample)).reduce((total, [, , value]) => total + Number(value), 0);
  return {
    at: performance.now(),
    requests: sum("http_requests_total"), failures: sum("http_requests_total", /status="5/),
    answers: sum("cache_answers_total", /HIT|MISS/), hits: sum("cache_answers_total", /HIT/),
    deliveries: sum("websocket_deliveries_total"), sockets: sum("websocket_connections"),
    lag: sum("event_loop_lag_seconds"),
  };
}
