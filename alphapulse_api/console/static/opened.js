// What opened a position: its trades, each of which leads to its reasons.

import { isPositive, lesser, minus } from "./decimals.js";
import { $, el, marked, table } from "./dom.js";
import { money, quantity, time } from "./format.js";

const LIMIT = 1000, PAGES = 5;

/** What a trade filled. */
const filled = ({ filled_quantity, quantity: ordered, status }) => filled_quantity ?? (status === "filled" ? ordered : "0");

/**
 * The fills whose lots are still open, by FIFO: the newest ones of the side that opened the position.
 * @param {object[]} trades of the symbol, newest first
 * @returns {{lots: {trade: object, open: string}[], rest: string}} `rest` is what no trade explains
 */
export function openLots({ side, quantity: size }, trades) {
  const corrected = new Set(trades.map(({ corrects }) => corrects)), opening = side === "short" ? "sell" : "buy";
  const lots = [];
  let rest = size;
  for (const trade of trades) {
    if (!isPositive(rest)) break;
    if (trade.side !== opening || corrected.has(trade.id) || !isPositive(filled(trade))) continue;
    const open = lesser(filled(trade), rest);
    lots.push({ trade, open });
    rest = minus(rest, open);
  }
  return { lots, rest };
}

/** Opens the list of these trades in a dialog. */
export class Opened {
  #app; #why;
  #dialog = $("#opened-dialog");
  #asked = 0; // the newest question: a late answer to an older one is not shown
  #lots = [];
  #show = table("#opened", [
    ["Time", ({ trade: { executed_at } }) => el("time", { datetime: executed_at, title: executed_at }, time(executed_at))],
    ["Side", ({ trade }) => trade.side],
    ["Quantity", ({ trade }) => quantity(filled(trade)), "n"],
    ["Price", ({ trade }) => money(trade.price), "n"],
    ["Still open", ({ open }) => quantity(open), "n"],
    ["Agent", ({ trade }) => trade.agent_id ?? "–"],
    ["", () => el("button", { type: "button", "data-action": "why" }, "Why")],
  ]);

  constructor(app, why) {
    this.#app = app;
    this.#why = why;
    $("button[name=close]", this.#dialog).addEventListener("click", () => this.#dialog.close());
    $("#opened").addEventListener("click", ({ target }) => {
      const row = target.closest("[data-action=why]")?.closest("tr");
      if (row) this.#why.open(this.#lots.find(({ trade }) => trade.id === row.dataset.id).trade);
    });
  }

  /** Whether the user may ask. */
  get allowed() {
    return this.#why.allowed && this.#app.session.can("view_trades");
  }

  async open(position) {
    const own = ++this.#asked, note = $("[role=status]", this.#dialog), alert = $("[role=alert]", this.#dialog);
    $("#opened-title").replaceChildren(
      ...marked(`What opened ${position.side ?? "long"} ${quantity(position.quantity)} ${position.symbol}?`));
    note.textContent = "Reading…";
    alert.textContent = "";
    this.#show([], () => "");
    if (!this.#dialog.open) this.#dialog.showModal();
    try {
      const { lots, rest } = await this.#read(position);
      if (own !== this.#asked) return;
      this.#lots = lots;
      this.#show(lots, ({ trade }) => trade.id);
      note.textContent = isPositive(rest)
        ? `The recorded trades explain all but ${quantity(rest)} of it.` : "First in, first out: these fills are still open.";
    } catch (error) {
      if (own !== this.#asked) return;
      note.textContent = "";
      alert.textContent = error.message;
    }
  }

  /** Read the trades of the symbol, newest first, until they explain the position. */
  async #read(position) {
    const query = { symbol: position.symbol, book: this.#app.book, limit: LIMIT };
    let { data: trades, more } = await this.#app.api.get("api/trades", query);
    let found = openLots(position, trades);
    for (let page = 1; more && isPositive(found.rest) && page < PAGES; page++) {
      const next = await this.#app.api.get(more);
      trades = [...trades, ...next.data];
      more = next.more;
      found = openLots(position, trades);
    }
    return found;
  }
}
