// The console: signs in, opens one stream, and dispatches every event to the panel of its channel.

import { Agents } from "./agents.js";
import { Alerts } from "./alerts.js";
import { Api, BASE } from "./api.js";
import { Audit } from "./audit.js";
import { Books } from "./books.js";
import { Chart } from "./charts.js";
import { Commands } from "./commands.js";
import { $, batched, onSubmit } from "./dom.js";
import { milliseconds, rfc3339, time } from "./format.js";
import { Freshness } from "./freshness.js";
import { Halt } from "./halt.js";
import { Metrics } from "./metrics.js";
import { Notifications } from "./notifications.js";
import { Opened } from "./opened.js";
import { Overview } from "./overview.js";
import { Portfolio } from "./portfolio.js";
import { Rules } from "./rules.js";
import { Session } from "./session.js";
import { Silences } from "./silences.js";
import { stream } from "./stream.js";
import { System } from "./system.js";
import { Trades } from "./trades.js";
import { Why } from "./why.js";

const REFUSALS = 4; // before the page shows a possible reason

const session = new Session();
let ahead = 0; // how far the server's clock is ahead of this one, ms
let newest = null; // the last event, for the header
let lag = null; // half of the last ping's round trip, ms
let streaming = "connecting"; // the stream's state
let refusals = 0; // connections in a row that ended before they were live

/**
 * What panels share. `channels` is filled by the panels, `stream` and `book` once somebody is signed in; `staleAfter` is the
 * age from which a portfolio is stale, ms.
 */
const app = {
  session, api: new Api(session), channels: {}, stream: null, book: null, staleAfter: 300_000, now: () => Date.now() + ahead,
};
const why = new Why(app), overview = new Overview(app, (book) => books.choose(book));
const silences = new Silences(app), commands = new Commands(app, () => agents.start());
const agents = new Agents(app, commands), halt = new Halt(app, commands, agents.list);
/** The panels, each with its name, what a user needs to see it, and whether only those see it who are not limited to books. */
const panels = [
  ["portfolio", new Portfolio(app, new Opened(app, why)), "view_portfolio"],
  ["alerts", new Alerts(app, silences), "view_alerts"], ["metrics", new Metrics(app), "view_metrics"],
  ["trades", new Trades(app, why), "view_trades"], ["agents", agents, "view_agents"], ["system", new System(app), "view_system"],
  ["commands", commands, "view_agents", true], ["rules", new Rules(app), "view_alerts", true],
  ["silences", silences, "view_alerts", true],
  ["notifications", new Notifications(app), "view_alerts", true], ["audit", new Audit(app), "manage", true],
];
const OF_BOOK = ["portfolio", "trades"]; // show one book

const freshness = new Freshness(app, [...panels, ["books", overview]]);

const books = new Books(app, () => {
  overview.show();
  for (const [name, panel, permission] of panels) if (OF_BOOK.includes(name) && session.can(permission)) panel.start();
});

$("#login-dialog").addEventListener("cancel", (event) => event.preventDefault());

session.addEventListener("ask", ({ detail }) => {
  $("#login-reason").textContent = detail;
  $("#login-dialog").showModal();
  $(`#login input[name=${session.user ? "password" : "username"}]`).focus();
});

session.addEventListener("user", () => {
  $("#login-dialog").close();
  $("#user").textContent = `${session.user.username} · ${session.user.role}`;
  app.book ??= session.user.home;
  app.stream ??= openStream();
  books.load();
  if (session.can("view_portfolio")) overview.start();
  halt.start();
  for (const [name, panel, permission, isForAll = false] of panels) {
    const may = session.can(permission) && (!isForAll || session.user.books === null);
    $(`#panel-${name}`).hidden = $(`nav a[href="#panel-${name}"]`).hidden = !may;
    if (may) panel.start();
  }
});

function openStream() {
  return stream(BASE.href, async (refused) => ({ token: await session.token(refused?.token) }), {
    event(event) {
      newest = { type: event.type, at: app.now() };
      freshness.heard();
      app.channels[event.channel].accept(event.data);
    },
    gap: (channel) => app.channels[channel].reload(),
    state: (state) => { showState(state); explain(state); },
    pong: (roundTrip, timestamp) => {
      lag = roundTrip / 2;
      ahead = Date.parse(timestamp) + lag - Date.now();
      freshness.heard();
    },
    error: ({ code, message }) => console.warn(`stream: ${code}: ${message}`),
  });
}

function showState(state) {
  streaming = state;
  const shown = state === "live" || navigator.onLine ? state : "offline";
  $("#connection").textContent = $("#connection").dataset.state = shown;
  freshness.streams(shown);
}

/** A script cannot see why a socket is refused; if the server answers other requests, show the likely reasons. */
async function explain(state) {
  refusals = state === "reconnecting" ? refusals + 1 : 0;
  const answers = refusals >= REFUSALS && await fetch(new URL("healthz", BASE)).then(({ ok }) => ok, () => false);
  $("#refused").hidden = !answers || refusals < REFUSALS;
}

function showClock() {
  $("#clock").textContent = rfc3339(app.now()).slice(11, 19);
  $("#lag").textContent = milliseconds(freshness.isLive ? lag : null);
  if (newest) $("#last-event").textContent = `${newest.type} ${time(rfc3339(newest.at))}`;
}

$("#sign-out").addEventListener("click", () => session.logout());
onSubmit($("#login"), async ({ username, password }) => {
  await session.login(username.value, password.value).finally(() => { password.value = ""; });
});

const THEMES = { light: "dark", dark: "light" };
const preferred = matchMedia("(prefers-color-scheme: dark)");
const theme = () => document.documentElement.dataset.theme ?? (preferred.matches ? "dark" : "light");
if (localStorage.theme in THEMES) document.documentElement.dataset.theme = localStorage.theme;
$("#theme").addEventListener("click", () => {
  localStorage.theme = document.documentElement.dataset.theme = THEMES[theme()];
  Chart.restyle();
});
preferred.addEventListener("change", Chart.restyle);

document.addEventListener("visibilitychange", () => document.hidden || app.stream?.check());
for (const change of ["online", "offline"]) addEventListener(change, () => { app.stream?.check(); showState(streaming); });
setInterval(batched(showClock), 500);
session.token(); // asks for the password
