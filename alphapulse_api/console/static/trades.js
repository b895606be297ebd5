// Trades as they happen: a table with filters, and where they were bought and sold.

import { Chart, axisTime, colour } from "./charts.js";
import { $, batched, el, say, sync } from "./dom.js";
import { money, quantity, time, words } from "./format.js";
import { Channel } from "./live.js";

const MAX_ROWS = 500;
const EMPTY = "No trades match. They appear here with POST /api/trades, or feed.record_trade().";

export class Trades {
  #app; #section; #filters; #channel; #chart;
  #trades = new Map(); // id -> trade, all that pass the filters
  #symbols = new Set();
  #render = batched(() => this.#show());

  constructor(app) {
    this.#app = app;
    this.#section = $("#panel-trades");
    this.#filters = $("#trade-filters");
    this.#chart = new Chart($("#trades-chart"));
    this.#channel = new Channel(app, "trades", this.#section, () => this.#load(), (trade) => this.#accept(trade));
    this.#filters.addEventListener("change", () => this.#channel.reload());
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
  }

  start() {
    return this.#channel.reload();
  }

  #wanted() {
    return [...new FormData(this.#filters)].map(([name, text]) => [name, text.trim()]).filter(([, text]) => text);
  }

  async #load() {
    const wanted = this.#wanted();
    const { data, cursor } = await this.#app.api.get("api/trades", { ...Object.fromEntries(wanted), limit: MAX_ROWS });
    const apply = () => {
      this.#trades.clear();
      for (const trade of data.reverse()) this.#accept(trade);
      this.#render();
    };
    return { cursor, apply };
  }

  #accept(trade) {
    this.#symbols.add(trade.symbol);
    if (!this.#wanted().every(([name, text]) => trade[name] === text)) return;
    this.#trades.set(trade.id, trade);
    if (this.#trades.size > MAX_ROWS) this.#trades.delete(this.#trades.keys().next().value);
    this.#render();
  }

  #show() {
    const trades = [...this.#trades.values()].sort((a, b) => (a.executed_at < b.executed_at ? 1 : -1));
    if (!$(".status", this.#section).classList.contains("error")) say(this.#section, trades.length ? "" : EMPTY);
    sync($("#trades tbody"), trades, (trade) => trade.id, tradeRow);
    sync($("#symbols"), [...this.#symbols].sort(), (symbol) => symbol, (symbol) => el("option", { value: symbol }));
    const symbol = this.#filters.elements.symbol.value.trim() || trades[0]?.symbol;
    if (!symbol) return;
    const fills = trades.filter((trade) => trade.symbol === symbol && trade.price !== null).reverse();
    $("#trades-note").textContent = `${symbol}: ${fills.length} of the trades below, at their prices`;
    this.#chart.draw(() => marksFigure(symbol, fills));
  }
}

function tradeRow(trade) {
  const cell = (text, look) => el("td", { class: look }, text);
  return el("tr", {},
    el("td", {}, el("time", { datetime: trade.executed_at, title: trade.executed_at }, time(trade.executed_at))),
    el("th", { scope: "row" }, trade.symbol),
    cell(trade.side === "buy" ? "▲ buy" : "▼ sell", trade.side),
    cell(quantity(trade.quantity), "n"),
    cell(money(trade.price), "n"),
    cell(money(trade.value), "n"),
    cell(trade.fee === null ? "–" : `${money(trade.fee)} ${trade.fee_currency ?? ""}`, "n"),
    cell(words(trade.status ?? "–")),
    cell(trade.strategy ?? "–"),
    cell(trade.agent_id ?? "–"));
}

function marksFigure(symbol, fills) {
  const at = (trades) => ({ x: trades.map((t) => axisTime(t.executed_at)), y: trades.map((t) => Number(t.price)) });
  const marks = (side, shape, tone) => {
    const trades = fills.filter((trade) => trade.side === side);
    return {
      ...at(trades), name: side, mode: "markers", marker: { symbol: shape, size: 9, color: colour(tone) },
      text: trades.map((t) => `${side} ${quantity(t.quantity)} at ${money(t.price)}`), hovertemplate: "%{text}<extra></extra>",
    };
  };
  return {
    label: `Trades of ${symbol}: ${fills.length} marks`,
    traces: [
      { ...at(fills), mode: "lines", line: { color: colour("--grid"), width: 1.5 }, hoverinfo: "skip", showlegend: false },
      marks("buy", "triangle-up", "--blue"),
      marks("sell", "triangle-down", "--orange"),
    ],
    layout: { showlegend: true, legend: { orientation: "h", y: 1.15 }, hovermode: "closest", yaxis: { tickformat: ",~r" } },
  };
}
