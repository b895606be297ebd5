// The portfolio: value, curve, positions and performance.

import { ALL } from "./books.js";
import { Chart, RANGES, axisTime, colour } from "./charts.js";
import { midnight, ZONE } from "./day.js";
import { minus } from "./decimals.js";
import { $, amount, batched, el, figures, options, say, sync, table } from "./dom.js";
import { cents, direction, gain, gainInCents, instant, money, number, percent, quantity, rfc3339,
  signedPercent, time, words } from "./format.js";
import { Channel } from "./live.js";

const MAX_POINTS = 500, STRETCHES = MAX_POINTS / 4;
const DAY_MS = 86_400_000;
const EMPTY = "No portfolio yet. It appears here with the first PUT /api/portfolio, or feed.update_portfolio().";
const FRACTIONS = /return|drawdown|volatility|rate|pct|exposure/; // shown in percent

export class Portfolio {
  #app;
  #section = $("#panel-portfolio");
  #range = options($("select[name=range]", this.#section), RANGES, "86400");
  #equity = new Chart($("#equity-chart"));
  #positions = table("#positions", [
    ["Symbol", (position) => position.symbol],
    ["Side", (position) => position.side ?? "–"],
    ["Quantity", (position) => quantity(position.quantity), "n"],
    ["Entry", (position) => money(position.entry_price), "n"],
    ["Price", (position) => money(position.current_price), "n"],
    ["Value", (position) => amount(position.value), "n"],
    ["Unrealized", ({ unrealized_pnl: pnl }) => amount(pnl, gainInCents), "n", ({ unrealized_pnl: pnl }) => direction(pnl)],
    ["%", (position) => signedPercent(position.unrealized_pnl_pct), "n", (position) => direction(position.unrealized_pnl)],
    ["Realized", ({ realized_pnl: pnl }) => amount(pnl, gainInCents), "n", ({ realized_pnl: pnl }) => direction(pnl)],
    ["", () => (this.#opened.allowed ? el("button", { type: "button", "data-action": "opened" }, "Why") : "")],
  ]);
  #opened;
  #now = null; // the portfolio
  #shown = []; // its positions in the order of the table
  #history = []; // {timestamp, total_value}, oldest first
  #opening; // the point that the day's change is computed from
  #day;
  #render = batched(() => this.#show());

  /** @param {import("./opened.js").Opened} opened shows what opened a position */
  constructor(app, opened) {
    this.#app = app;
    this.#opened = opened;
    $("#positions").addEventListener("click", ({ target }) => {
      const row = target.closest("[data-action=opened]")?.closest("tr");
      if (row) this.#opened.open(this.#shown[row.dataset.id]);
    });
    const channel = new Channel(app, "portfolio", this.#section, (signal) => this.#load(signal), (data) => this.#accept(data));
    this.start = () => channel.reload();
    this.#range.addEventListener("change", () => { this.#equity.showZoom(null); this.start(); });
  }

  /** @returns {import("./freshness.js").State} */
  state(now) {
    if (!this.#now) return { newest: null };
    const at = instant(this.#now.as_of), limit = this.#app.staleAfter;
    return { newest: at, stale: now - at > limit ? { since: at, why: "no new portfolio" } : null };
  }

  #read(signal, from, until, max_points) {
    const [start_time, end_time] = [from, until].map((ms) => (ms ? rfc3339(ms) : ""));
    const query = { book: this.#app.book, include_history: true, start_time, end_time, max_points };
    return this.#app.api.get("api/portfolio", query, signal);
  }

  async #load(signal) {
    const span = Number(this.#range.value) * 1000;
    const day = this.#day = midnight(this.#app.now());
    if (this.#app.book === ALL) return { filters: { books: [ALL] }, apply: () => this.#apply(null) };
    const filters = { books: [this.#app.book] };
    try {
      const { data, cursor } = await this.#read(signal, span && this.#app.now() - span, 0, MAX_POINTS);
      // The last value before midnight, even over a long weekend; otherwise the first one after it.
      const before = (await this.#read(signal, day - 4 * DAY_MS, day, 2)).data.history.at(-1);
      const opening = before ?? (await this.#read(signal, day, 0, MAX_POINTS)).data.history[0];
      return { cursor, filters, apply: () => this.#apply(data, opening) };
    } catch (error) {
      if (error.status !== 404) throw error;
      return { filters, apply: () => this.#apply(null) };
    }
  }

  #apply(portfolio, opening) {
    [this.#now, this.#history, this.#opening] = [portfolio, portfolio?.history ?? [], opening];
    if (!portfolio) say(this.#section, EMPTY);
    if (!portfolio) this.#clear(); // what another book had
    this.#render();
  }

  #accept(portfolio) {
    if (portfolio.book !== this.#app.book) return;
    // A portfolio with a future time is replaced by whatever is received after it.
    const at = instant(portfolio.as_of), shown = this.#now ? instant(this.#now.as_of) : -Infinity;
    if (at < shown && shown <= this.#app.now()) return;
    if (!this.#now) say(this.#section);
    if (midnight(this.#app.now()) !== this.#day) this.start(); // another day begins
    this.#now = portfolio;
    const point = { timestamp: portfolio.as_of, total_value: portfolio.total_value };
    this.#opening ??= point;
    while (this.#history.length && instant(this.#history.at(-1).timestamp) >= at) this.#history.pop();
    this.#history.push(point);
    const span = Number(this.#range.value) * 1000;
    while (span && instant(this.#history[0].timestamp) < instant(point.timestamp) - span) this.#history.shift();
    if (this.#history.length > 2 * MAX_POINTS) this.#history = thinned(this.#history);
    this.#render();
  }

  #clear() {
    $("#headline [data-figure=total_value]").textContent = "–";
    for (const place of ["#headline [data-figure=currency]", "#headline [data-figure=change]", "#as-of", "#in-range",
      "#performance", "#allocation"]) $(place).replaceChildren();
    this.#positions([], (_, n) => n);
    this.#equity.draw(() => curve([], "", this.#range.value));
  }

  #show() {
    const portfolio = this.#now;
    if (!portfolio) return;
    this.#showHeadline(portfolio);
    figures($("#performance"), [
      ["cash", amount(portfolio.cash), "cash"],
      ...Object.entries(portfolio.performance ?? {}).map(([name, value]) =>
        [words(name), FRACTIONS.test(name) ? percent(value) : number(value)]),
    ]);
    const positions = this.#shown = portfolio.positions.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const nth = (_, number) => number; // a symbol may be held long and short, or in lots
    this.#positions(positions, nth);
    const parts = [...positions, { symbol: "cash", value: portfolio.cash }];
    sync($("#allocation"), parts, nth, (part) => allocated(part, portfolio.total_value));
    $("#in-range").textContent = inRange(this.#history);
    this.#equity.draw(() => curve(this.#history, portfolio.currency, this.#range.value));
  }

  #showHeadline({ total_value, currency, as_of }) {
    $("#as-of").textContent = `as of ${time(as_of)}`;
    $("#headline [data-figure=total_value]").replaceChildren(amount(total_value));
    $("#headline [data-figure=currency]").textContent = currency;
    const change = $("#headline [data-figure=change]"), opening = this.#opening;
    if (!opening) return;
    const difference = minus(total_value, opening.total_value);
    change.textContent = `${gainInCents(difference)} (${signedPercent(Number(difference) / Number(opening.total_value))}) today`;
    change.className = direction(difference);
    change.title = `${gain(difference)} since ${money(opening.total_value)} at ${opening.timestamp}. The change of the total `
      + `value since midnight in ${ZONE}: realized and unrealized profit, after fees; money paid in or out counts, too.`;
  }
}

function allocated({ symbol, value, weight }, total) {
  const part = weight ?? Number(value) / Number(total);
  return el("li", {}, el("span", {}, symbol),
    el("progress", { value: Math.min(1, Math.abs(part)), "aria-label": symbol }), el("span", { class: "n" }, percent(part)));
}

const value = ({ total_value }) => Number(total_value);

/** Thin as the server does: keep the first, last, lowest and highest point of equally long stretches, and the peak and
 *  the trough of the largest drawdown. */
function thinned(points) {
  const kept = new Set(deepest(points));
  const begin = instant(points[0].timestamp), width = (instant(points.at(-1).timestamp) - begin) / STRETCHES || 1;
  const stretches = Object.groupBy(points, ({ timestamp }) => Math.floor((instant(timestamp) - begin) / width));
  for (const some of Object.values(stretches)) {
    kept.add(some[0]).add(some.at(-1));
    kept.add(some.reduce((a, b) => (value(b) < value(a) ? b : a)));
    kept.add(some.reduce((a, b) => (value(b) > value(a) ? b : a)));
  }
  return points.filter((point) => kept.has(point));
}

function deepest(points) {
  let peak = points[0], found = [peak, peak];
  for (const point of points) {
    if (value(point) > value(peak)) peak = point;
    if (value(point) / value(peak) < value(found[1]) / value(found[0])) found = [peak, point];
  }
  return found;
}

/** How far each value is below the highest before it: 0, or a negative fraction. */
function belowHighest(values) {
  let peak = -Infinity;
  return values.map((now) => now / (peak = Math.max(peak, now)) - 1);
}

/** Return and largest drawdown of the curve on screen: the figures above it are the host's own, for its own period. */
function inRange(history) {
  if (history.length < 2) return "";
  const values = history.map(value);
  const worst = -Math.min(...belowHighest(values));
  return `: ${signedPercent(values.at(-1) / values[0] - 1)} return, largest drawdown ${percent(worst)}`;
}

function curve(history, currency, range) {
  const x = history.map(({ timestamp }) => axisTime(timestamp));
  const values = history.map(value);
  const below = belowHighest(values);
  const drawn = (y, tone, hovertemplate) => ({ x, y, mode: "lines", line: { color: colour(tone), width: 1.5 }, hovertemplate });
  return {
    label: `Value over time: ${history.length} points, now ${cents(history.at(-1)?.total_value)} ${currency}`,
    traces: [
      { ...drawn(values, "--blue", "%{y:,.2f}"), name: "value" },
      { ...drawn(below, "--vermillion", "%{y:.2%}"), name: "drawdown", yaxis: "y2", fill: "tozeroy" },
    ],
    layout: {
      uirevision: range, // a zoom stays until another range is chosen
      xaxis: { anchor: "y2" },
      yaxis: { domain: [0.3, 1], tickformat: ",~r" },
      yaxis2: { domain: [0, 0.22], tickformat: ".1%", nticks: 3, range: [1.05 * Math.min(-0.01, ...below), 0] },
    },
  };
}
