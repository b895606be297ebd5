// DOM helpers that every panel needs. Data only ever becomes text or an attribute.

import { cents } from "./format.js";

const FRAME_MS = 250; // a page that changes with every frame of the screen costs a core, and is unreadable
const CHUNK = 50; // rows

export const $ = (selector, root = document) => root.querySelector(selector);

// Control characters, and those that change the direction of the text around them (Unicode, annex 9).
const UNSEEN = /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069])\1*/g;
const codeOf = (sign) => `U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** A text as nodes in which unseen characters are marks: each is a box of its own, so it acts on nothing around it. */
export function marked(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: run, index } of text.matchAll(UNSEEN)) {
    const code = run.length > 1 ? `${codeOf(run)} ×${run.length}` : codeOf(run);
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.dataset.code = code;
    mark.textContent = run;
    nodes.push(text.slice(end, index), mark);
    end = index + run.length;
  }
  return [...nodes, text.slice(end)];
}

/** The same as plain text, for places that take no elements. */
export const coded = (text) => text.replaceAll(UNSEEN, (run) => `[${codeOf(run)}]`);

/** Make an element. Props are attributes, `on…` are listeners; null and false are left out. Strings become text. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) {
    if (child === null || child === undefined) continue;
    if (typeof child === "string" && tag !== "option") node.append(...marked(child));
    else node.append(child);
  }
  return node;
}

const before = (parent) => (node, place = null) => parent.insertBefore(node, place);
const shown = new WeakMap(); // element -> the item that it shows

/**
 * Make `nodes`, the children of `parent`, show `items`, in order, touching only what has changed: an item is
 * unchanged if it is the same object, or equal text. Its element, which `build` makes, gets its `id` as data-id.
 * `insert` puts one before another, or at the end.
 */
export function sync(parent, items, id, build, nodes = parent.children, insert = before(parent)) {
  const wanted = new Map(items.map((item, n) => [String(id(item, n)), item]));
  const old = new Map();
  for (const node of [...nodes]) {
    if (wanted.has(node.dataset.id)) old.set(node.dataset.id, node);
    else node.remove();
  }
  const places = [...old.values()], done = new Set();
  let n = 0;
  for (const [key, item] of wanted) {
    let node = old.get(key);
    if (!node || shown.get(node) !== item) {
      const fresh = build(item);
      fresh.dataset.id = key;
      shown.set(fresh, item);
      if (node) {
        places[places.indexOf(node)] = fresh;
        replace(node, fresh);
      }
      node = fresh;
    }
    while (done.has(places[n])) n++;
    if (node !== places[n]) insert(node, places[n]);
    done.add(node);
  }
}

/** Replace an element by what it became; the focus stays where it was in it. */
function replace(node, fresh) {
  const focusable = (root) => [...root.querySelectorAll("button, summary, a[href]")];
  const focused = node.contains(document.activeElement) ? focusable(node).indexOf(document.activeElement) : -1;
  node.replaceWith(fresh);
  focusable(fresh)[focused]?.focus({ preventScroll: true });
}

/**
 * Give a table its columns, the first of which names the row: title (that of buttons is only read out), content, class ("n" for numbers), and a further
 * class by the item. Its rows stand in bodies of about CHUNK, and stay in theirs: a new row moves down whole bodies, which
 * need not be painted again. @template T
 * @param {[string, (item: T) => string | Node, string?, ((item: T) => string)?][]} columns
 * @returns {(items: T[], id: (item: T) => string) => void} shows items
 */
export function table(selector, columns) {
  const whole = $(selector);
  const heads = columns.map(([title, , look]) =>
    el("th", { scope: "col", class: look }, title || el("span", { class: "unseen" }, "Actions")));
  const head = whole.appendChild(el("thead", {}, el("tr", {}, ...heads)));
  const row = (item) => el("tr", {}, ...columns.map(([, content, look = "", tone = () => ""], n) =>
    el(n ? "td" : "th", { class: `${look} ${tone(item)}`, scope: n ? null : "row" }, content(item))));
  const insert = (node, place) => {
    const body = place?.parentElement;
    if (place?.previousElementSibling || body?.rows.length < CHUNK) return place.before(node);
    const above = body ? body.previousElementSibling : whole.lastElementChild;
    const isFull = above === head || above.rows.length >= CHUNK, other = isFull ? el("tbody") : above;
    if (isFull) above.after(other);
    other.append(node);
  };
  return (items, id) => {
    sync(whole, items, id, row, [...whole.rows].slice(1), insert);
    for (const body of [...whole.tBodies]) if (!body.rows.length) body.remove();
  };
}

/** Give a select its options, of which one is chosen. @param {[string, string][]} entries values and texts */
export function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return select;
}

/** Names and values side by side. @param {[string, string][]} entries */
export const pairs = (entries) =>
  el("div", { class: "pairs" }, ...entries.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, value))));

/** An amount of the account's currency, in cents; its title has every digit. @param {?string} value a decimal string */
export const amount = (value, format = cents) => el("span", { title: value }, format(value));

/** Fill a list of terms. @param {[string, string | Node, string?][]} entries name, text, and the data-figure that tests use */
export const figures = (list, entries) =>
  list.replaceChildren(...entries.map(([name, text, figure]) =>
    el("div", {}, el("dt", {}, name), el("dd", { "data-figure": figure }, text))));

const changed = new Set(); // what the next frame draws
let frame, drawn = -Infinity;

/**
 * However often it is called, `fn` runs once in the next frame: one for the whole page, and not two within FRAME_MS, since
 * a frame costs the browser more than what changes in it.
 */
export const batched = (fn) => () => {
  changed.add(fn);
  frame ??= setTimeout(requestAnimationFrame, Math.max(0, drawn + FRAME_MS - performance.now()), draw);
};

function draw() {
  const fns = [...changed];
  changed.clear();
  [frame, drawn] = [undefined, performance.now()];
  for (const fn of fns) {
    try { fn(); } catch (error) { reportError(error); } // one panel's fault must not stop the others
  }
}

/** Send a form by `action`, which gets its elements; an error is shown in the form's alert. */
export const onSubmit = (form, action) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = $("button[type=submit]", form), alert = $("[role=alert]", form);
  button.disabled = true;
  alert.textContent = "";
  await action(form.elements).catch((error) => { alert.textContent = error.message; });
  button.disabled = false;
});

/** Show an error of a panel, or what will appear in it; no words clear the line. */
export function say(section, words = "", isError = false) {
  $(".status", section).textContent = words;
  $(".status", section).classList.toggle("error", isError);
  section.ariaBusy = "false";
}
