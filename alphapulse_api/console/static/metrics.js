// Any metric over any range: history by REST, then live; a closer look asks again in finer buckets.

import { AGGREGATIONS, Series, isMergeable } from "./buckets.js";
import { Chart, axisTime, line, plain } from "./charts.js";
import { $, batched, el, say, sync } from "./dom.js";
import { number, words } from "./format.js";
import { Channel } from "./live.js";

const POINTS = 400; // buckets of a chart
const MAX_NAMES = 6, MAX_SERIES = 14, LIMIT = 10_000;
const INTERVALS = [1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 14400, 43200, 86400, 604800]; // seconds, as the server's auto
const SETTLED_MS = 60_000; // a point that comes later than this is in what the server has aggregated
const EMPTY = "No metrics yet. They appear here with POST /api/metrics, or feed.record_metrics().";
const NOTHING = "No points in this range yet.";

const iso = (ms) => new Date(ms).toISOString();
const keyOf = ({ name, labels }) => JSON.stringify([name, Object.entries(labels ?? {}).sort()]);
const titleOf = ({ name, labels }) => [words(name), ...Object.values(labels ?? {})].join(" ");

export class Metrics {
  #app; #section; #type; #range; #aggregation; #back; #chart; #channel; #refresh;
  #checked = new Set(); // names
  #series = new Map(); // key -> {title, values: Series}
  #view = null; // what is drawn: {from, until, interval (s), settled (ms), aggregation}
  #zoom = null; // [from, until] while somebody looks closer
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#section = $("#panel-metrics");
    [this.#type, this.#range, this.#aggregation] = ["type", "range", "aggregation"].map((name) => $(`select[name=${name}]`, this.#section));
    this.#back = $("button[name=live]", this.#section);
    this.#chart = new Chart($("#metrics-chart"), (range) => this.#look(range));
    this.#channel = new Channel(app, "metrics", this.#section, () => this.#load(), (point) => this.#accept(point));
    this.#aggregation.append(...AGGREGATIONS.map((name) => el("option", {}, name)));
    this.#type.addEventListener("change", () => { this.#checked.clear(); this.#look(null); });
    for (const select of [this.#range, this.#aggregation]) select.addEventListener("change", () => this.#look(null));
    $("#metric-names").addEventListener("change", ({ target }) => {
      this.#checked[target.checked ? "add" : "delete"](target.value);
      this.#channel.reload();
    });
    this.#back.addEventListener("click", () => this.#look(null));
  }

  start() {
    return this.#channel.reload();
  }

  /** A range of epoch ms to see more closely, or null to go on live. */
  #look(range) {
    this.#zoom = range;
    this.#back.hidden = range === null;
    return this.#channel.reload();
  }

  async #load() {
    clearTimeout(this.#refresh);
    const catalogue = (await this.#app.api.get("api/metrics")).data;
    this.#offer(catalogue);
    const type = this.#type.value, names = [...this.#checked];
    if (!type || !names.length) return { filters: {}, apply: () => this.#apply(null, []) };
    const firsts = catalogue.filter((s) => s.metric_type === type && this.#checked.has(s.name)).map((s) => Date.parse(s.first));
    const view = this.#zoom ? this.#closeView() : this.#liveView(Math.min(...firsts));
    const { cursor, answers } = await this.#read(type, names, view);
    return { cursor, filters: { metric_types: [type], names }, apply: () => this.#apply(view, answers) };
  }

  #liveView(first) {
    const now = this.#app.now(), span = Number(this.#range.value) * 1000;
    const from = span ? now - span : first;
    const interval = INTERVALS.find((seconds) => (now - from) / 1000 / seconds <= POINTS) ?? INTERVALS.at(-1);
    // Up to here the server aggregates; from here on points are kept one by one, so that one that comes by both
    // REST and the socket counts once. Two seconds for a clock that is ahead of the server's.
    const step = Math.min(interval * 1000, SETTLED_MS);
    const settled = Math.floor((now - 2000) / step) * step;
    return { from, span, interval, settled, aggregation: this.#aggregation.value };
  }

  #closeView() {
    const [from, until] = this.#zoom;
    return { from, until, interval: "auto", settled: until, aggregation: this.#aggregation.value };
  }

  /** The single points first: their cursor is from before everything else was read. */
  async #read(type, names, { from, interval, settled, aggregation }) {
    const path = `api/metrics/${type}`;
    const points = (name) => this.#app.api.get(path, { name, start_time: iso(settled), limit: LIMIT });
    const functions = aggregation === "count" ? "count" : `${aggregation},count`;
    const every = interval === "auto" ? { interval, max_points: POINTS } : { interval: `${interval}s` };
    const buckets = (name) => from >= settled ? { data: [] } : this.#app.api.get(path,
      { name, start_time: iso(from), end_time: iso(settled), aggregation: functions, limit: LIMIT, ...every });
    if (interval === "auto") {
      const answers = await Promise.all(names.map(buckets));
      return { cursor: answers[0].cursor, answers };
    }
    const { data, cursor } = await points(names[0]);
    const answers = await Promise.all([...names.map(buckets), { data }, ...names.slice(1).map(points)]);
    return { cursor, answers };
  }

  #apply(view, answers) {
    this.#view = view;
    this.#series.clear();
    for (const row of answers.flatMap(({ data }) => data)) {
      const at = Date.parse(row.timestamp);
      if (!("count" in row) && view.aggregation !== "count") this.#seriesOf(row)?.add(at, row.value);
      else if (at >= view.settled) this.#seriesOf(row)?.add(at, row.value);
      else this.#seriesOf(row)?.settle(at, row[view.aggregation] ?? row.value, row.count ?? row.value);
    }
    // The open bucket of these cannot be told from its newest points: ask for it every now and then.
    const grows = view && !this.#zoom && !isMergeable(view.aggregation) && view.interval * 1000 > SETTLED_MS;
    if (grows) this.#refresh = setTimeout(() => this.#channel.reload(), SETTLED_MS);
    this.#render();
  }

  #seriesOf(row) {
    const key = keyOf(row);
    if (!this.#series.has(key)) {
      if (this.#series.size === MAX_SERIES) return null;
      const { aggregation, interval } = this.#view;
      this.#series.set(key, { title: titleOf(row), values: new Series(aggregation, interval * 1000) });
    }
    return this.#series.get(key).values;
  }

  #accept(point) {
    if (!this.#view || this.#zoom || point.metric_type !== this.#type.value || !this.#checked.has(point.name)) return;
    const at = Date.parse(point.timestamp);
    if (at >= this.#view.settled) this.#seriesOf(point)?.add(at, point.value);
    else if (at >= this.#view.from) this.#late();
    this.#render();
  }

  /** A point into the settled past: nobody can tell whether what was read has it, so it is read again. */
  #late() {
    clearTimeout(this.#refresh);
    this.#refresh = setTimeout(() => this.#channel.reload(), 5000);
  }

  #offer(catalogue) {
    const types = [...new Set(catalogue.map((series) => series.metric_type))].sort();
    const type = types.includes(this.#type.value) ? this.#type.value : (types.find((name) => name === "performance") ?? types[0]);
    sync(this.#type, types.map((name) => ({ name })), ({ name }) => name, ({ name }) => el("option", { value: name }, words(name)));
    if (type) this.#type.value = type;
    const names = [...new Set(catalogue.filter((series) => series.metric_type === type).map((series) => series.name))].sort();
    for (const name of this.#checked) if (!names.includes(name)) this.#checked.delete(name);
    if (!this.#checked.size && names.length) this.#checked.add(names[0]);
    const full = this.#checked.size >= MAX_NAMES;
    sync($("#metric-names"), names.map((name) => ({ name })), ({ name }) => name, ({ name }) => {
      const checked = this.#checked.has(name);
      return el("label", {}, el("input", { type: "checkbox", value: name, checked, disabled: full && !checked }), words(name));
    });
  }

  #show() {
    const view = this.#view;
    if (!view) return say(this.#section, EMPTY);
    const now = this.#app.now();
    if (!this.#zoom) {
      const until = Math.floor((now - 2 * SETTLED_MS) / SETTLED_MS) * SETTLED_MS;
      view.from = view.span ? now - view.span : view.from;
      view.settled = Math.max(view.settled, until);
      for (const { values } of this.#series.values()) values.fold(view.from, view.settled);
    }
    const every = view.interval === "auto" ? "automatic buckets" : `buckets of ${view.interval} s`;
    $("#metrics-note").textContent = `${view.aggregation} in ${every}, ${this.#zoom ? "standing still" : "live"}; drag to look closer`
      + (this.#series.size === MAX_SERIES ? `; the first ${MAX_SERIES} series` : "");
    if (!$(".status", this.#section).classList.contains("error")) say(this.#section, this.#series.size ? "" : NOTHING);
    this.#chart.draw(() => this.#figure(view));
  }

  #figure(view) {
    const traces = [...this.#series.values()].map(({ title, values }, n) => {
      const { x, y } = values.values();
      return { x: x.map(axisTime), y, name: plain(title), mode: x.length < 3 ? "lines+markers" : "lines", line: line(n), hovertemplate: "%{y:.6~g}" };
    });
    const range = this.#zoom ?? (view.span ? [this.#app.now() - view.span, this.#app.now()] : undefined);
    return {
      label: `${view.aggregation}: ${traces.map(({ name, y }) => `${name} ${number(y.at(-1))}`).join(", ")}`,
      traces,
      layout: {
        showlegend: traces.length > 1, legend: { orientation: "h", y: -0.12 }, uirevision: null,
        xaxis: range ? { range: range.map(axisTime) } : {}, yaxis: { tickformat: ",.4~g" },
      },
    };
  }
}
