// All books side by side, and what thinking cost today.

import { midnight, ZONE } from "./day.js";
import { $, amount, el, figures, table } from "./dom.js";
import { instant, money, newest, rfc3339, time } from "./format.js";
import { polling } from "./live.js";

const SECONDS = 20, LIMIT = 1000;
const EMPTY = "No books yet.";

/** The cost of calls in words: by currency, and how many have a cost that nobody knows. */
function costWords(sums) {
  const known = sums.filter(({ currency }) => currency), unknown = sums.find(({ currency }) => !currency)?.calls ?? 0;
  return [
    ...known.map(({ cost, currency }) => `${money(cost)} ${currency}`),
    ...(unknown ? [`${unknown} ${unknown === 1 ? "call" : "calls"} of unknown cost`] : []),
  ].join(" + ");
}

const badge = (mode) => el("b", { class: "mode", "data-mode": mode }, mode);

export class Overview {
  #app; #choose;
  #section = $("#panel-books");
  #portfolios = []; // of the books, each with the sums of its usage

  #table = table("#books", [
    ["Book", ({ book }) => el("button", { type: "button", onclick: () => this.#choose(book) }, book)],
    ["Title", ({ title }) => title ?? "–"],
    ["Money", ({ mode, closed_at }) => el("span", {}, badge(mode), closed_at ? " closed" : null)],
    ["Value", (one) => amount(one.total_value), "n"],
    ["Cash", (one) => amount(one.cash), "n"],
    ["Positions", (one) => amount(one.positions_value), "n"],
    ["Currency", ({ currency }) => currency ?? "–"],
    ["Thinking today", ({ usage }) => costWords(usage) || "–", "n"],
    ["As of", ({ as_of, stale }) => el("span", { class: stale ? "stale" : null }, `${time(as_of)}${stale ? ", stale" : ""}`)],
  ]);

  /** @param {(book: string) => void} choose makes another book the one that the page shows */
  constructor(app, choose) {
    this.#app = app;
    this.#choose = choose;
    this.start = polling(SECONDS, this.#section, () => this.#load());
  }

  /** @returns {import("./freshness.js").State} */
  state = () => ({ newest: newest(this.#portfolios.filter(({ as_of }) => as_of), ({ as_of }) => instant(as_of)) });

  async #load() {
    const [{ data }, usage] = await Promise.all([this.#app.api.get("api/portfolios"), this.#usage()]);
    this.#app.staleAfter = data.stale_after * 1000;
    this.#portfolios = data.portfolios.map((one) => ({ ...one, usage: usage.filter(({ book }) => book === one.book) }));
    this.#showTotals(data.totals);
    this.#table(this.#portfolios, ({ book }) => book);
    this.show();
    return data.portfolios.length ? "" : EMPTY;
  }

  /** The calls of models since the start of the day, by book and currency. */
  async #usage() {
    if (!this.#app.session.can("view_agents")) return [];
    const query = { group_by: "book", book: "*", start_time: rfc3339(midnight(this.#app.now())), limit: LIMIT };
    return (await this.#app.api.getAll("api/usage", query)).data;
  }

  /** Each mode and currency by itself: live money is never added to paper money. */
  #showTotals(totals) {
    figures($("#book-totals"), totals.map(({ mode, currency, books, total_value }) =>
      [el("span", {}, badge(mode), ` ${currency}, ${books} ${books === 1 ? "book" : "books"}`), amount(total_value), `${mode} ${currency}`]));
  }

  /** Show the cost of the book that the page shows. */
  show() {
    const own = this.#portfolios.find(({ book }) => book === this.#app.book), cost = $("#headline [data-figure=cost]");
    const words = own ? costWords(own.usage) : "";
    cost.textContent = words && `thinking ${words} today`;
    cost.title = `What calls of models cost since midnight in ${ZONE}, as their senders and the price table know it.`;
  }
}
