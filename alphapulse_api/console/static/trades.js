// Trades as they happen: a table with filters, and a chart of one symbol's fills.

import { ALL } from "./books.js";
import { Chart, axisTime, colour } from "./charts.js";
import { $, amount, batched, el, options, say, table } from "./dom.js";
import { downloadable } from "./download.js";
import { instant, money, newest, quantity, time, words } from "./format.js";
import { Channel } from "./live.js";

const MAX_ROWS = 500;
const EMPTY = "No trades match. They appear here with POST /api/trades, or feed.record_trade().";
const SIDES = { buy: "▲ buy", sell: "▼ sell" };
const STATUSES = ["pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired"];

export class Trades {
  #app;
  #section = $("#panel-trades");
  #filters = $("#trade-filters");
  #chart = new Chart($("#trades-chart"));
  #table = table("#trades", [
    ["Time", ({ executed_at }) => el("time", { datetime: executed_at, title: executed_at }, time(executed_at))],
    ["Symbol", ({ symbol }) => el("b", {}, symbol)],
    ["Book", ({ book }) => book, "of-book"],
    ["Side", ({ side }) => SIDES[side], "", ({ side }) => side],
    ["Quantity", (trade) => quantity(trade.quantity), "n"],
    ["Price", (trade) => money(trade.price), "n"],
    ["Value", (trade) => amount(trade.value), "n"],
    ["Fee", (trade) => [money(trade.fee), trade.fee_currency].filter(Boolean).join(" "), "n"],
    ["Status", (trade) => words(trade.status ?? "–")],
    ["Strategy", (trade) => trade.strategy ?? "–"],
    ["Agent", (trade) => trade.agent_id ?? "–"],
    ["", () => (this.#why.allowed ? el("button", { type: "button", "data-action": "why" }, "Why") : "")],
  ]);
  #why;
  #trades = new Map(); // key -> trade that passes the filters
  #symbol; // of the chart
  #render = batched(() => this.#show());

  /** @param {import("./why.js").Why} why shows what led to a trade */
  constructor(app, why) {
    this.#app = app;
    this.#why = why;
    const channel = new Channel(app, "trades", this.#section, (signal) => this.#load(app.api, signal), (trade) => this.#accept(trade));
    this.start = () => channel.reload();
    for (const [name, values] of [["side", Object.keys(SIDES)], ["status", STATUSES]]) {
      options(this.#filters.elements[name], [["", "any"], ...values.map((value) => [value, words(value)])]);
    }
    this.#filters.addEventListener("change", this.start);
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
    $("#trades").addEventListener("click", ({ target }) => {
      const row = target.closest("[data-action=why]")?.closest("tr");
      if (row) this.#why.open(this.#trades.get(row.dataset.id));
    });
    downloadable(app, this.#section, "api/trades", () => Object.fromEntries(this.#wanted()));
  }

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#trades.values(), ({ at }) => at) });

  #wanted() {
    const given = [...new FormData(this.#filters), ["book", this.#app.book]];
    return given.map(([name, text]) => [name, text.trim()]).filter(([, text]) => text);
  }

  async #load(api, signal) {
    const { data, cursor } = await api.get("api/trades", { ...Object.fromEntries(this.#wanted()), limit: MAX_ROWS }, signal);
    return { cursor, filters: { books: [this.#app.book] }, apply: () => {
      this.#trades.clear();
      for (const trade of data.reverse()) this.#accept(trade);
      this.#render();
    } };
  }

  #accept(trade) {
    if (!this.#wanted().every(([name, text]) => trade[name] === text || text === ALL)) return;
    this.#trades.set(this.#keyOf(trade), { ...trade, at: instant(trade.executed_at) });
    if (this.#trades.size > MAX_ROWS) this.#trades.delete(this.#trades.keys().next().value);
    this.#render();
  }

  /** An id is unique within its book. */
  #keyOf = ({ book, id }) => (this.#app.book === ALL ? `${book} ${id}` : id);

  #show() {
    const trades = [...this.#trades.values()].reverse().sort((a, b) => b.at - a.at);
    if (!$(".status.error", this.#section)) say(this.#section, trades.length ? "" : EMPTY);
    this.#section.dataset.book = this.#app.book;
    this.#table(trades, this.#keyOf);
    const before = this.#symbol, wanted = this.#filters.elements.symbol.value.trim();
    const symbol = this.#symbol = wanted || before || trades[0]?.symbol;
    if (!symbol) return;
    if (symbol !== before) this.#chart.showZoom(null);
    const fills = trades.filter((trade) => trade.symbol === symbol && trade.price !== null).reverse();
    $("#trades-note").textContent = `${symbol}: ${fills.length} of the trades below, at their prices`;
    this.#chart.draw(() => marks(symbol, fills));
  }
}

function marks(symbol, fills) {
  const at = (trades) => ({ x: trades.map((t) => axisTime(t.executed_at)), y: trades.map((t) => Number(t.price)) });
  const side = (name, shape, tone) => {
    const trades = fills.filter((trade) => trade.side === name);
    return {
      ...at(trades), name, mode: "markers", marker: { symbol: shape, size: 9, color: colour(tone) },
      text: trades.map((t) => `${name} ${quantity(t.quantity)} at ${money(t.price)}`),
      hovertemplate: "%{text}<extra></extra>",
    };
  };
  return {
    label: `Trades of ${symbol}: ${fills.length} marks`,
    traces: [
      { ...at(fills), mode: "lines", line: { color: colour("--grid"), width: 1.5 }, hoverinfo: "skip", showlegend: false },
      side("buy", "triangle-up", "--blue"),
      side("sell", "triangle-down", "--orange"),
    ],
    layout: {
      uirevision: symbol, // a zoom stays until another symbol is shown
      showlegend: true, legend: { orientation: "h", y: 1.15 }, hovermode: "closest", yaxis: { tickformat: ",~r" },
    },
  };
}
