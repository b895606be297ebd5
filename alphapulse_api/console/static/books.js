// Which book the page shows, and whose money that is.

import { $, options } from "./dom.js";

/** Instead of the id of a book. */
export const ALL = "*";

const LIMIT = 1000;

/** The switch in the header. It is hidden while there is one book. */
export class Books {
  #app;
  #field = $("#book");
  #mode = $("#mode");
  #books = new Map(); // by id
  #changed;

  /** @param {() => void} changed is called once another book is chosen; `app.book` is its id */
  constructor(app, changed) {
    this.#app = app;
    const select = $("select", this.#field);
    select.addEventListener("focus", () => this.load());
    select.addEventListener("change", () => this.choose(select.value));
    this.#changed = changed;
  }

  /** Make another book the one that the page shows; ALL shows them side by side. */
  choose(book) {
    $("select", this.#field).value = this.#app.book = book;
    this.#show();
    this.#changed();
  }

  /** Read the books again. Without them, the page shows the user's home book. */
  async load() {
    const { data } = await this.#app.api.getAll("api/books", { limit: LIMIT }).catch(() => ({ data: [] }));
    if (!data.length) return;
    const same = data.length === this.#books.size && data.every(({ id }) => this.#books.has(id));
    this.#books = new Map(data.map((book) => [book.id, book]));
    const entries = data.map(({ id, title, mode }) => [id, `${title ? `${id}: ${title}` : id} (${mode})`]);
    if (!same) options($("select", this.#field), [...entries, [ALL, "all books"]], this.#app.book);
    this.#show();
  }

  #show() {
    const { mode } = this.#books.get(this.#app.book) ?? {};
    this.#field.hidden = this.#books.size < 2;
    this.#mode.hidden = this.#field.hidden || !mode;
    this.#mode.textContent = this.#mode.dataset.mode = mode ?? "";
    $("#panel-books").hidden = this.#app.book !== ALL;
    if (this.#app.session.can("view_portfolio")) $("#panel-portfolio").hidden = !$("#panel-books").hidden;
  }
}
