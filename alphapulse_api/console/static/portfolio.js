// The portfolio: its value first, then the curve, the positions, and how it performs.

import { Chart, axisTime, colour, plain } from "./charts.js";
import { $, batched, el, figures, say, sync } from "./dom.js";
import { direction, gain, minus, money, number, percent, quantity, signedPercent, time, words } from "./format.js";
import { Channel } from "./live.js";

const MAX_POINTS = 500;
const DAY_MS = 86_400_000;
const EMPTY = "No portfolio yet. It appears here with the first PUT /api/portfolio, or feed.update_portfolio().";
const FRACTIONS = /return|drawdown|volatility|rate|pct|exposure/; // shown in percent

export class Portfolio {
  #app; #section; #range; #channel; #equity; #allocation; #opening;
  #now = null; // the portfolio
  #history = []; // {timestamp, total_value}, oldest first
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#section = $("#panel-portfolio");
    this.#range = $("select[name=range]", this.#section);
    this.#equity = new Chart($("#equity-chart"));
    this.#allocation = new Chart($("#allocation-chart"));
    this.#channel = new Channel(app, "portfolio", this.#section, () => this.#load(), (data) => this.#accept(data));
    this.#range.addEventListener("change", () => this.#channel.reload());
  }

  start() {
    return this.#channel.reload();
  }

  async #load() {
    const seconds = Number(this.#range.value);
    const start_time = seconds ? new Date(this.#app.now() - seconds * 1000).toISOString() : "";
    const query = { include_history: true, start_time, max_points: MAX_POINTS };
    try {
      const { data, cursor } = await this.#app.api.get("api/portfolio", query);
      const opening = await this.#openingOf(data.history);
      return { cursor, apply: () => this.#apply(data, opening) };
    } catch (error) {
      if (error.status !== 404) throw error;
      return { apply: () => this.#apply(null, null) };
    }
  }

  /** The last value of yesterday (UTC), or the first one of the range: what the day's change is told from. */
  async #openingOf(history) {
    const midnight = Math.floor(this.#app.now() / DAY_MS) * DAY_MS;
    const [start_time, end_time] = [midnight - 4 * DAY_MS, midnight].map((ms) => new Date(ms).toISOString());
    const query = { include_history: true, start_time, end_time, max_points: 2 };
    const before = (await this.#app.api.get("api/portfolio", query)).data.history.at(-1);
    return before ?? history.find(({ timestamp }) => timestamp >= end_time) ?? null;
  }

  #apply(portfolio, opening) {
    this.#opening = opening;
    this.#history = portfolio?.history ?? [];
    this.#now = portfolio;
    if (!portfolio) say(this.#section, EMPTY);
    this.#render();
  }

  #accept(portfolio) {
    if (this.#now && portfolio.as_of < this.#now.as_of) return;
    if (!this.#now) say(this.#section);
    this.#now = portfolio;
    const point = { timestamp: portfolio.as_of, total_value: portfolio.total_value };
    this.#opening ??= point;
    if (this.#history.at(-1)?.timestamp === point.timestamp) this.#history.pop();
    this.#history.push(point);
    // Twice as many as were asked for: the server thins them out better than cutting them off would.
    if (this.#history.length > 2 * MAX_POINTS) {
      this.#history = this.#history.filter((_, n, all) => n % 2 || n === all.length - 1);
    }
    this.#render();
  }

  #show() {
    const portfolio = this.#now;
    this.#section.classList.toggle("empty", !portfolio);
    if (!portfolio) return;
    $("#as-of").textContent = `as of ${time(portfolio.as_of)}`;
    this.#showHeadline(portfolio);
    figures($("#performance"), [
      ["cash", money(portfolio.cash), "cash"],
      ["positions", String(portfolio.positions.length)],
      ...Object.entries(portfolio.performance).map(([name, value]) =>
        [words(name), FRACTIONS.test(name) ? percent(value) : number(value)]),
    ]);
    $("#performance .cash").dataset.figure = "cash";
    const positions = portfolio.positions.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
    sync($("#positions tbody"), positions, (position) => position.symbol, positionRow);
    this.#equity.draw(() => equityFigure(this.#history, portfolio.currency));
    this.#allocation.draw(() => allocationFigure(portfolio, positions));
  }

  #showHeadline({ total_value, currency }) {
    const headline = $("#headline");
    $("[data-figure=total_value]", headline).textContent = money(total_value);
    $("[data-figure=currency]", headline).textContent = currency;
    const change = $("[data-figure=change]", headline);
    if (!this.#opening) return;
    const difference = minus(total_value, this.#opening.total_value);
    const fraction = Number(difference) / Number(this.#opening.total_value);
    change.textContent = `${gain(difference)} (${signedPercent(fraction)}) today`;
    change.className = direction(difference);
    change.title = `since ${money(this.#opening.total_value)} at ${this.#opening.timestamp}`;
  }
}

function positionRow(position) {
  const cell = (text, look = "n") => el("td", { class: look }, text);
  return el("tr", {},
    el("th", { scope: "row" }, position.symbol),
    cell(position.side ?? "–", ""),
    cell(quantity(position.quantity)),
    cell(money(position.entry_price)),
    cell(money(position.current_price)),
    cell(money(position.value)),
    cell(percent(position.weight)),
    cell(gain(position.unrealized_pnl), `n ${direction(position.unrealized_pnl)}`),
    cell(signedPercent(position.unrealized_pnl_pct), `n ${direction(position.unrealized_pnl_pct)}`),
    cell(gain(position.realized_pnl), `n ${direction(position.realized_pnl)}`));
}

function equityFigure(history, currency) {
  const x = history.map(({ timestamp }) => axisTime(timestamp));
  const values = history.map(({ total_value }) => Number(total_value));
  let peak = -Infinity;
  const below = values.map((value) => value / (peak = Math.max(peak, value)) - 1);
  const loss = colour("--vermillion");
  return {
    label: `Value over time: ${history.length} points, now ${money(history.at(-1)?.total_value)} ${currency}`,
    traces: [
      { x, y: values, name: "value", line: { color: colour("--blue"), width: 1.8 }, mode: "lines", hovertemplate: "%{y:,.2f}" },
      { x, y: below, name: "drawdown", yaxis: "y2", mode: "lines", line: { color: loss, width: 1 }, fill: "tozeroy", hovertemplate: "%{y:.2%}" },
    ],
    layout: {
      xaxis: { anchor: "y2" },
      yaxis: { domain: [0.3, 1], tickformat: ",~r" },
      yaxis2: { domain: [0, 0.22], tickformat: ".1%", nticks: 3, rangemode: "tozero" },
    },
  };
}

function allocationFigure(portfolio, positions) {
  const total = Number(portfolio.total_value);
  const parts = [
    ...positions.map(({ symbol, weight, value }) => [symbol, weight ?? Number(value) / total]),
    ["cash", Number(portfolio.cash) / total],
  ].reverse(); // plotly draws from the bottom
  const y = parts.map(([name]) => plain(name)), x = parts.map(([, part]) => part);
  return {
    label: `Allocation: ${parts.map(([name, part]) => `${name} ${percent(part)}`).join(", ")}`,
    traces: [{
      type: "bar", orientation: "h", x, y, text: x.map(percent), textposition: "auto", hoverinfo: "none", cliponaxis: false,
      marker: { color: parts.map(([name, part]) => colour(name === "cash" ? "--muted" : part < 0 ? "--orange" : "--blue")) },
    }],
    layout: { xaxis: { type: "linear", tickformat: ".0%", fixedrange: true }, yaxis: { type: "category" }, hovermode: false },
  };
}
