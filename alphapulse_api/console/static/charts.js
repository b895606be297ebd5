// plotly.js: loaded with the first chart, drawn at a bounded rate, and only while the chart is in view.

import { $, batched, coded, el } from "./dom.js";
import { rfc3339, time } from "./format.js";

/** Ranges: seconds and label. */
export const RANGES = [["900", "15 minutes"], ["3600", "1 hour"], ["21600", "6 hours"], ["86400", "1 day"],
  ["604800", "1 week"], ["2592000", "30 days"], ["", "all"]];

const REDRAW_MS = 1000, COSTS = 10; // between drawings of a chart; also COSTS times the last one
const DASHES = ["solid", "dot", "dash"]; // colour is never the only distinction
const OKABE_ITO = ["--blue", "--orange", "--green", "--vermillion", "--purple", "--sky", "--text"];
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };

let library;
const plotly = () => (library ??= new Promise((loaded, failed) => {
  const script = document.createElement("script");
  script.src = new URL("plotly.min.js", import.meta.url);
  script.onload = () => loaded(window.Plotly);
  script.onerror = () => { library = undefined; failed(new Error("plotly.min.js cannot be loaded.")); };
  document.head.append(script);
}));

/** A colour of console.css as the browser resolves it in the current theme. */
export function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
const probe = document.body.appendChild(document.createElement("i"));

/** The line of the nth series. */
export const line = (n) => ({ color: colour(OKABE_ITO[n % OKABE_ITO.length]), dash: DASHES[n % DASHES.length], width: 1.6 });

/** Escape text in which plotly.js would interpret tags. */
export const plain = (text) => coded(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A time for plotly.js, which ignores zones: UTC without the zone. */
export const axisTime = (time) => (typeof time === "number" ? rfc3339(time) : time).replace("Z", "");

function themed(layout) {
  const text = colour("--muted"), grid = colour("--grid");
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, fixedrange: true };
  return {
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: text, family: getComputedStyle(document.body).fontFamily, size: 11 },
    margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "x unified", dragmode: "zoom", showlegend: false,
    hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    ...layout,
    xaxis: { ...axis, type: "date", fixedrange: false, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
    ...(layout.yaxis2 && { yaxis2: { ...axis, ...layout.yaxis2 } }),
  };
}

export class Chart {
  static #all = new Set();
  static #frame = batched(() => Chart.#drawNext());
  #node; #onZoom; #next; #note;
  #due = 0; // earliest time of the next drawing; Infinity while drawing
  #stale = false;
  #seen = false;

  /** @param {HTMLElement} node @param {(range: ?[number, number]) => void} [onZoom] epoch ms, or null for all of it */
  constructor(node, onZoom = () => {}) {
    this.#node = node;
    this.#onZoom = onZoom;
    const back = () => window.Plotly.relayout(node, { "xaxis.autorange": true });
    this.#note = el("p", { class: "zoomed", role: "status", hidden: true }, el("span"),
      el("button", { type: "button", name: "live", onclick: back }, "Back to live"));
    node.before(this.#note);
    const look = (entries) => { this.#seen = entries.at(-1).isIntersecting; Chart.#frame(); };
    new IntersectionObserver(look).observe(node);
    Chart.#all.add(this);
  }

  /** Draw all charts again at once, in the current colours. */
  static restyle = () => Chart.#all.forEach((chart) => {
    if (chart.#due < Infinity) chart.#due = 0;
    chart.draw(chart.#next);
  });

  /** Draw one chart a frame: all of them in one frame would be noticeable. */
  static #drawNext() {
    const waiting = [...Chart.#all].filter((chart) => chart.#stale && chart.#seen).sort((a, b) => a.#due - b.#due);
    if (waiting[0]?.#due <= performance.now()) waiting.shift().#render();
    if (waiting.length) Chart.#frame();
  }

  /** @param {() => {traces: object[], layout: object, label: string}} figure is called when the chart is drawn */
  draw(figure) {
    this.#next = figure;
    this.#stale = Boolean(figure);
    Chart.#frame();
  }

  async #render() {
    this.#due = Infinity;
    this.#stale = false;
    let began;
    try {
      const Plotly = await plotly();
      began = performance.now();
      const { traces, layout, label } = this.#next();
      const first = !this.#node.classList.contains("js-plotly-plot");
      await Plotly.react(this.#node, traces, themed(layout), CONFIG);
      this.#node.setAttribute("role", "img");
      this.#node.ariaLabel = label;
      if (first) this.#node.on("plotly_relayout", (change) => this.#zoomed(change));
    } catch (error) {
      this.#node.textContent = error.message;
    } finally {
      const now = performance.now();
      this.#due = now + Math.max(REDRAW_MS, COSTS * (now - (began ?? now)));
    }
  }

  #zoomed(change) {
    const { "xaxis.autorange": all, "xaxis.range[0]": from, "xaxis.range[1]": until } = change;
    if (!all && !from) return;
    const range = all ? null : [from, until].map((text) => Date.parse(`${text.replace(" ", "T")}Z`));
    this.showZoom(range);
    this.#onZoom(range);
  }

  /** Say which part of the data is shown; null for all of it, up to now. @param {?[number, number]} range epoch ms */
  showZoom(range) {
    this.#note.hidden = range === null;
    const [from, until] = range?.map((ms) => time(rfc3339(ms))) ?? [];
    $("span", this.#note).textContent = range ? `Zoomed to ${from} – ${until} UTC. Live data continues, but is not all shown. ` : "";
  }
}
