// Why a trade was made: its signals, votes, what risk cut, the decision, the fill, and what it brought.

import { $, el, marked, pairs } from "./dom.js";
import { direction, gain, money, number, percent, quantity, time, words } from "./format.js";

/** Opens the chain of a trade in a dialog. The texts in it come from models: they are shown as text. */
export class Why {
  #app;
  #dialog = $("#why-dialog");
  #asked = 0; // the newest question: a late answer to an older one is not shown

  constructor(app) {
    this.#app = app;
    $("button[name=close]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  /** Whether the user may ask. */
  get allowed() {
    return this.#app.session.can("view_agents");
  }

  async open({ id, book, side, symbol, ...trade }) {
    const own = ++this.#asked, alert = $("[role=alert]", this.#dialog), chain = $("#why", this.#dialog);
    $("#why-title").replaceChildren(...marked(`Why ${side} ${quantity(trade.quantity)} ${symbol}?`));
    alert.textContent = "";
    chain.replaceChildren();
    chain.ariaBusy = "true";
    if (!this.#dialog.open) this.#dialog.showModal();
    try {
      const { data } = await this.#app.api.get(`api/trades/${encodeURIComponent(id)}/why`, { book });
      if (own === this.#asked) chain.replaceChildren(...steps(data));
    } catch (error) {
      if (own === this.#asked) alert.textContent = error.message;
    }
    if (own === this.#asked) chain.ariaBusy = "false";
  }
}

function steps({ trade, decision, signals, cost, profit, missing }) {
  const lost = (noun) => missing.filter((link) => link.startsWith(`${noun} `));
  return [
    step("signals", "Signals", [...signals.map(signalPart), ...gaps(lost("signal"))], "The decision names no signal."),
    step("votes", "Votes", (decision?.votes ?? []).map(votePart), "No votes are recorded."),
    step("risk", "What risk cut", (decision?.constraints ?? []).map(constraintPart), "Nothing."),
    step("decision", "Decision", decision ? decisionParts(decision) : gaps(lost("decision")), "The trade names no decision."),
    step("fill", "Order and fill", [fillPart(trade)]),
    step("profit", "Profit so far", profit ? [profitPart(profit)] : [], "Nothing was filled, or a correction replaces it."),
    step("cost", "Cost of thinking", cost.calls ? [costPart(cost)] : [], "No calls of models are recorded."),
  ];
}

const step = (name, title, parts, empty) =>
  el("li", { "data-step": name }, el("h3", {}, title), ...(parts.length ? parts : [el("p", { class: "meta" }, empty)]));

const gaps = (links) => links.map((link) =>
  el("p", { class: "missing" }, link.endsWith(": expired") ? link : `${link}: never received`));

/** A long text that opens on a click. */
const opened = (summary, text) =>
  el("details", {}, el("summary", {}, summary), el("p", { class: "text", dir: "auto" }, text));

function signalPart({ agent_id, direction: advice, symbol, abstained, reason, conviction, confidence, thesis }) {
  const sure = conviction ?? confidence;
  const head = [agent_id, abstained ? `∅ abstained ${symbol}` : `${advice} ${symbol}`,
    sure !== null && `${conviction === null ? "confidence" : "conviction"} ${number(sure)}`, reason].filter(Boolean).join(" · ");
  const part = thesis ? opened(head, thesis) : el("p", {}, head);
  part.classList.toggle("abstained", abstained);
  return part;
}

const votePart = ({ agent_id, weight = null, conviction = null }) =>
  pairs([[`${agent_id}: weight`, number(weight)], ["conviction", number(conviction)]]);

const constraintPart = ({ name, symbol, before = null, after = null, reason }) =>
  el("p", {}, [name, symbol].filter(Boolean).join(" "), ": ", el("b", {}, `${quantity(before)} → ${quantity(after)}`),
    reason ? ` · ${reason}` : "");

function decisionParts({ agent_id, made_at, outcome, targets, reasoning, corrected_by }) {
  return [
    pairs([["by", agent_id], ["at", time(made_at)], ["outcome", words(outcome ?? "–")]]),
    ...targets.map(({ symbol, weight_before = null, weight_target = null, quantity: ordered = null }) =>
      pairs([[symbol, `${percent(weight_before)} → ${percent(weight_target)}`], ["ordered", quantity(ordered)]])),
    reasoning ? el("p", { class: "text", dir: "auto" }, reasoning) : null,
    corrected_by.length ? el("p", { class: "missing" }, `corrected by ${corrected_by.join(", ")}`) : null,
  ].filter(Boolean);
}

function fillPart({ side, quantity: size, symbol, price, decided_price, status, executed_at, fee, fee_currency }) {
  return pairs([
    [side, `${quantity(size)} ${symbol}`], ["at", money(price)], ["decided at", money(decided_price)],
    ["status", words(status ?? "–")], ["time", time(executed_at)],
    ["fee", [money(fee), fee_currency].filter(Boolean).join(" ")],
  ]);
}

function profitPart({ position_before, position_after, closed_profit, realized_profit, unrealized_profit, profit, price }) {
  const total = el("b", { class: direction(profit), "data-figure": "profit" }, gain(profit));
  return el("div", {}, el("p", {}, "in total ", total), pairs([
    ["position", `${quantity(position_before)} → ${quantity(position_after)}`], ["of what it closed", gain(closed_profit)],
    ["of what it opened, realized", gain(realized_profit)], ["unrealized", gain(unrealized_profit)],
    ...(price === null ? [] : [["at the price", money(price)]]),
  ]));
}

const costPart = ({ totals, calls, unpriced_calls }) => pairs([
  ["calls", String(calls)], ...totals.map(({ currency, cost }) => ["cost", `${money(cost)} ${currency}`]),
  ...(unpriced_calls ? [["calls of unknown cost", String(unpriced_calls)]] : []),
]);
