// Any metric over any range: history by REST, then live; zooming in reads finer buckets.

import { AGGREGATIONS, Series, isMergeable } from "./buckets.js";
import { Chart, RANGES, axisTime, line, plain } from "./charts.js";
import { $, batched, el, options, say, sync } from "./dom.js";
import { instant, newest, number, rfc3339, words } from "./format.js";
import { Channel } from "./live.js";

const POINTS = 400; // buckets of a chart
const MAX_NAMES = 6, MAX_SERIES = 14, LIMIT = 10_000, MAX_PAGES = 10;
const INTERVALS = [1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 14400, 43200, 86400, 604800]; // s, as the server's auto
const CALM_MS = 200; // after the last of quick changes
const CATALOGUE_MS = 30_000; // how long it is taken for complete
const SETTLED_MS = 60_000, LATE_MS = 15_000;
const EMPTY = "No metrics yet. They appear here with POST /api/metrics, or feed.record_metrics().";

const keyOf = ({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]);
const titleOf = ({ name, labels }) => [words(name), ...Object.values(labels)].join(" ");

/** Before `view.settled` the server aggregates. After it, points are kept one by one, so that a point that
 * arrives both by REST and by the socket counts once. */
export class Metrics {
  #app;
  #section = $("#panel-metrics");
  #type = $("select[name=type]", this.#section);
  #range = options($("select[name=range]", this.#section), RANGES, "900");
  #aggregation = options($("select[name=aggregation]", this.#section), AGGREGATIONS.map((name) => [name, name]), "avg");
  #chart = new Chart($("#metrics-chart"), (range) => this.#look(range));
  #checked = new Set(); // names
  #series = new Map(); // key -> {title, values: Series}
  #view = null; // {from, settled, span (ms), interval (s, or "auto"), aggregation}
  #zoom = null; // [from, until] while zoomed in
  #channel;
  #known = { catalogue: [], at: -Infinity };
  #again; // timer
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#channel = new Channel(app, "metrics", this.#section, (signal) => this.#load(signal), (point) => this.#accept(point));
    this.start = () => this.#channel.reload();
    this.#type.addEventListener("change", () => { this.#checked.clear(); this.#look(null); });
    for (const select of [this.#range, this.#aggregation]) select.addEventListener("change", () => this.#look(null));
    $("#metric-names").addEventListener("change", ({ target }) => {
      this.#checked[target.checked ? "add" : "delete"](target.value);
      this.#channel.reload(CALM_MS);
    });
  }

  /** @returns {import("./freshness.js").State} */
  state() {
    const filled = [...this.#series.values()].filter(({ values }) => values.newest > 0);
    return { newest: newest(filled, ({ values }) => values.newest) };
  }

  /** Zoom in on a range of epoch ms; null returns to live. */
  #look(range) {
    this.#zoom = range;
    this.#chart.showZoom(range);
    this.#channel.reload(CALM_MS);
  }

  async #load(signal) {
    clearTimeout(this.#again);
    this.#again = undefined;
    const catalogue = await this.#catalogue(signal);
    this.#offer(catalogue);
    const type = this.#type.value, names = [...this.#checked];
    if (!names.length) return { apply: () => this.#apply(null, []) };
    const wanted = catalogue.filter((series) => series.metric_type === type && names.includes(series.name));
    const view = this.#viewOf(Math.min(...wanted.map(({ first }) => Date.parse(first))));
    const { cursor, rows } = await this.#read(type, names, view, signal);
    return { cursor, filters: { metric_types: [type], names }, apply: () => this.#apply(view, rows) };
  }

  #viewOf(first) {
    const aggregation = this.#aggregation.value;
    if (this.#zoom) return { from: this.#zoom[0], settled: this.#zoom[1], span: 0, interval: "auto", aggregation };
    const now = this.#app.now(), span = Number(this.#range.value) * 1000;
    const from = span ? now - span : first;
    const interval = INTERVALS.find((seconds) => now - from <= POINTS * 1000 * seconds) ?? INTERVALS.at(-1);
    const step = Math.min(interval * 1000, SETTLED_MS);
    // Two seconds of tolerance for a clock that is ahead of the server's.
    return { from, settled: Math.floor((now - 2000) / step) * step, span, interval, aggregation };
  }

  async #catalogue(signal) {
    if (performance.now() - this.#known.at > CATALOGUE_MS || !this.#known.catalogue.length) {
      const { data } = await this.#app.api.getAll("api/metrics", { limit: LIMIT }, MAX_PAGES, signal);
      this.#known = { catalogue: data, at: performance.now() };
    }
    return this.#known.catalogue;
  }

  async #read(type, names, { from, settled, interval, aggregation }, signal) {
    const get = (query) => this.#app.api.getAll(`api/metrics/${type}`, { limit: LIMIT, ...query }, MAX_PAGES, signal);
    const functions = aggregation === "count" ? "count" : `${aggregation},count`;
    const every = interval === "auto" ? { interval, max_points: POINTS } : { interval: `${interval}s` };
    const past = { start_time: rfc3339(from), end_time: rfc3339(settled), aggregation: functions, ...every };
    const queries = [
      ...names.map((name) => ({ name, start_time: rfc3339(settled) })), // single points
      ...(from < settled ? names.map((name) => ({ name, ...past })) : []),
    ].slice(this.#zoom ? names.length : 0);
    const first = await get(queries[0]); // first, since its cursor must be older than all the others
    const others = await Promise.all(queries.slice(1).map(get));
    return { cursor: first.cursor, rows: [first, ...others].flatMap(({ data }) => data) };
  }

  #apply(view, rows) {
    this.#view = view;
    this.#series.clear();
    for (const row of rows) {
      const { [view.aggregation]: value = row.value, count = value } = row, start = instant(row.timestamp);
      if (start >= view.settled) this.#seriesOf(row)?.add(start, value);
      else this.#seriesOf(row)?.settle(start, value, count);
    }
    // The newest points are not enough to compute the open bucket of these: the server is polled.
    const asked = view && !this.#zoom && !isMergeable(view.aggregation) && view.interval * 1000 > SETTLED_MS;
    if (asked) this.#again = setTimeout(this.start, SETTLED_MS);
    this.#render();
  }

  #seriesOf(row) {
    const key = keyOf(row);
    if (!this.#series.has(key)) {
      if (this.#series.size === MAX_SERIES) return null;
      this.#series.set(key, { title: titleOf(row), values: new Series(this.#view.aggregation, this.#view.interval * 1000) });
    }
    return this.#series.get(key).values;
  }

  #accept(point) {
    if (!this.#view || this.#zoom || point.metric_type !== this.#type.value || !this.#checked.has(point.name)) return;
    const at = instant(point.timestamp);
    if (at >= this.#view.settled) this.#seriesOf(point)?.add(at, point.value);
    else if (at >= this.#view.from) {
      // It is unknown whether the data that was read contains this late point: read again.
      this.#again ??= setTimeout(this.start, LATE_MS);
    }
    this.#render();
  }

  #offer(catalogue) {
    const types = [...new Set(catalogue.map((series) => series.metric_type))].sort();
    const type = [this.#type.value, "performance", ...types].find((name) => types.includes(name));
    sync(this.#type, types, (name) => name, (name) => el("option", { value: name }, words(name)));
    this.#type.value = type ?? "";
    const names = [...new Set(catalogue.filter((s) => s.metric_type === type).map((s) => s.name))].sort();
    this.#checked = new Set(names.filter((name) => this.#checked.has(name)));
    if (!this.#checked.size && names.length) this.#checked.add(names[0]);
    sync($("#metric-names"), names, (name) => name, (name) =>
      el("label", {}, el("input", { type: "checkbox", value: name }), words(name)));
    for (const box of $("#metric-names").querySelectorAll("input")) {
      box.checked = this.#checked.has(box.value);
      box.disabled = !box.checked && this.#checked.size === MAX_NAMES;
    }
  }

  #show() {
    const view = this.#view, now = this.#app.now();
    if (!view) return say(this.#section, EMPTY);
    if (!this.#zoom) {
      if (view.span) view.from = now - view.span;
      view.settled = Math.max(view.settled, (Math.floor(now / SETTLED_MS) - 2) * SETTLED_MS);
      for (const { values } of this.#series.values()) values.fold(view.from, view.settled);
      // The whole history grows by the hour, and needs wider buckets.
      if (now - view.from > 2000 * POINTS * view.interval) this.#again ??= setTimeout(this.start, LATE_MS);
    }
    if (!$(".status.error", this.#section)) say(this.#section, this.#series.size ? "" : "No points in this range yet.");
    const note = this.#zoom ? "zoomed" : `live, in buckets of ${view.interval} s; drag to look closer`;
    $("#metrics-note").textContent = this.#series.size < MAX_SERIES ? note : `${note}; only ${MAX_SERIES} series are shown`;
    this.#chart.draw(() => this.#figure());
  }

  #figure() {
    const { aggregation, span } = this.#view ?? {}, now = this.#app.now();
    let first = now;
    const shown = [...this.#series.values()], traces = shown.map(({ title, values }, n) => {
      const { x, y } = values.values();
      first = Math.min(first, x[0] ?? now);
      const mode = x.length < 3 ? "lines+markers" : "lines";
      return { x: x.map(axisTime), y, name: plain(title), mode, line: line(n), hovertemplate: "%{y:.6~g}" };
    });
    // A short history fills the width.
    const range = this.#zoom ?? (span ? [Math.max(now - span, first), now] : undefined);
    const label = `${aggregation}: ${traces.map(({ y }, n) => `${shown[n].title} ${number(y.at(-1))}`).join(", ")}`;
    const legend = { showlegend: traces.length > 1, legend: { orientation: "h", y: -0.12 } };
    return { label, traces, layout: { ...legend, xaxis: { range: range?.map(axisTime) }, yaxis: { tickformat: ",.4~g" } } };
  }
}
