// plotly.js, loaded when the first chart is drawn, drawn at a bounded rate, and only where somebody looks.

/** Seconds, and what they are called. */
export const RANGES = [["900", "15 minutes"], ["3600", "1 hour"], ["21600", "6 hours"], ["86400", "1 day"],
  ["604800", "1 week"], ["2592000", "30 days"], ["", "all"]];

const REDRAW_MS = 1000;
const DASHES = ["solid", "dot", "dash"]; // colour is never the only sign
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

/** A colour of console.css as the browser resolves it in the theme of now. */
export function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The line of the nth series. */
export const line = (n) => ({ color: colour(OKABE_ITO[n % OKABE_ITO.length]), dash: DASHES[n % DASHES.length], width: 1.6 });

/** Text as it is: plotly.js would read tags in it. */
export const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Plotly takes times for what they read: UTC, without the zone. */
export const axisTime = (time) => (typeof time === "number" ? new Date(time).toISOString() : time).replace("Z", "");

function themed(layout) {
  const text = colour("--muted"), grid = colour("--grid");
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, fixedrange: true };
  const axes = { xaxis: { ...axis, type: "date", fixedrange: false }, yaxis: axis, yaxis2: axis };
  for (const name of Object.keys(axes)) axes[name] = { ...axes[name], ...layout[name] };
  if (!layout.yaxis2) delete axes.yaxis2;
  return {
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: text, family: getComputedStyle(document.body).fontFamily, size: 11 },
    margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "x unified", dragmode: "zoom", showlegend: false,
    hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    ...layout, ...axes,
  };
}

export class Chart {
  static #all = new Set();
  #node; #onZoom; #next; #timer;
  #drawn = 0;
  #seen = false;

  /** @param {HTMLElement} node @param {(range: ?[number, number]) => void} [onZoom] epoch ms, or null for all of it */
  constructor(node, onZoom) {
    this.#node = node;
    this.#onZoom = onZoom;
    new IntersectionObserver((entries) => {
      this.#seen = entries.at(-1).isIntersecting;
      this.#schedule();
    }).observe(node);
    Chart.#all.add(this);
  }

  /** Draw all charts again, in the colours of now. */
  static restyle() {
    for (const chart of Chart.#all) chart.#schedule();
  }

  /** @param {() => {traces: object[], layout: object, label: string}} figure is asked when it is time to draw */
  draw(figure) {
    this.#next = figure;
    this.#schedule();
  }

  #schedule() {
    if (!this.#next || !this.#seen || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#drawn + REDRAW_MS - performance.now());
    this.#timer = setTimeout(() => requestAnimationFrame(() => this.#render()), wait);
  }

  async #render() {
    const { traces, layout, label } = this.#next();
    try {
      const Plotly = await plotly();
      const first = !this.#node.classList.contains("js-plotly-plot");
      await Plotly.react(this.#node, traces, themed(layout), CONFIG);
      this.#node.setAttribute("role", "img");
      this.#node.ariaLabel = label;
      if (first && this.#onZoom) this.#node.on("plotly_relayout", (change) => this.#zoomed(change));
    } catch (error) {
      this.#node.textContent = error.message;
    } finally {
      this.#drawn = performance.now();
      this.#timer = undefined;
    }
  }

  #zoomed(change) {
    if (change["xaxis.autorange"]) this.#onZoom(null);
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) this.#onZoom(range.map((text) => Date.parse(`${String(text).replace(" ", "T")}Z`)));
  }
}
