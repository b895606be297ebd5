// The REST API: answers as values, problems (RFC 9457) as exceptions.

/** The base URL of the service, with any prefix: the page is at console/ below it. */
export const BASE = new URL("..", document.baseURI);

const FEW = 10, SPACING_MS = 600; // a little more than what 120 requests a minute give back

/** A request that was refused, or that got no answer (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem = {}, retryAfter = 0) {
    const faults = (problem.errors ?? []).map(({ pointer, parameter, detail }) => `${pointer ?? parameter}: ${detail}`);
    super([problem.detail || problem.title || `The server answered ${status}.`, ...faults].join("\n"));
    this.status = status;
    this.retryAfter = retryAfter; // seconds
  }
}

/** One request. @throws {ApiError} @returns {Promise<Response>} */
export async function request(path, options) {
  let response;
  try {
    response = await fetch(new URL(path, BASE), { credentials: "omit", ...options });
  } catch {
    throw new ApiError(0, { detail: "The server cannot be reached." });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, problem, Number(response.headers.get("Retry-After")) || 0); // not a date
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Spreads requests once few of the server's limit are left, so that none has to be refused. */
class Budget {
  #spacing = 0; // ms between two requests
  #next = 0; // when the next one may be sent

  async turn() {
    if (!this.#spacing) return;
    this.#next = Math.max(this.#next, Date.now()) + this.#spacing;
    await pause(this.#next - Date.now());
  }

  /** Of an answer to a caller: `"default";r=87;t=21`, with the number of requests that are left. */
  left(header) {
    const left = /;r=(\d+)/.exec(header ?? "")?.[1];
    if (left !== undefined) this.#spacing = Number(left) < FEW ? SPACING_MS : 0;
  }

  refused(seconds) {
    this.#spacing = SPACING_MS;
    this.#next = Math.max(this.#next, Date.now() + 1000 * (seconds || 1));
  }
}

export class Api {
  #session;
  #budget = new Budget();

  constructor(session) {
    this.#session = session; // whose token is sent
  }

  /**
   * Read a resource; empty values of the query are left out. `cursor` is the channel's position before `data` was read,
   * `more` the path of the next page. `signal` cancels it. @returns {Promise<{data: any, cursor: ?string, more: ?string}>}
   */
  async get(path, query = {}, signal = undefined) {
    const { headers, data } = await this.#send(asking(path, query), { signal });
    const next = /<([^>]*)>; rel="next"/.exec(headers.get("Link"))?.[1];
    return { data, cursor: headers.get("X-Stream-Cursor"), more: next && path.split("?")[0] + new URL(next, BASE).search };
  }

  /** As `get`, for all pages or for `pages` of them. The cursor is that of the first page, so that nothing is missing. */
  async getAll(path, query, pages = Infinity, signal = undefined) {
    const all = await this.get(path, query, signal);
    for (let { more } = all, n = 1; more && n < pages; n++) {
      const page = await this.get(more, {}, signal);
      all.data.push(...page.data);
      more = page.more;
    }
    return all;
  }

  /** An answer as a file, however long. @returns {Promise<Blob>} */
  async file(path, query) {
    return (await this.#send(asking(path, query), {}, (response) => response.blob())).data;
  }

  /** @returns {Promise<any>} the answer's body */
  async send(method, path, content = undefined) {
    const body = content === undefined ? {} : { body: JSON.stringify(content), headers: { "Content-Type": "application/json" } };
    return (await this.#send(path, { method, ...body })).data;
  }

  post = (path, content = {}) => this.send("POST", path, content);

  async #send(path, options = {}, read = content, refused = undefined) {
    const token = await this.#session.token(refused);
    await this.#budget.turn();
    try {
      const authorized = { ...options.headers, Authorization: `Bearer ${token}` };
      const response = await request(path, { ...options, headers: authorized });
      this.#budget.left(response.headers.get("RateLimit"));
      return { headers: response.headers, data: await read(response) };
    } catch (error) {
      if (error.status === 401 && refused === undefined) return this.#send(path, options, read, token);
      if (error.status === 429 && !options.signal?.aborted) {
        this.#budget.refused(error.retryAfter);
        return this.#send(path, options, read, refused);
      }
      throw error instanceof ApiError ? error : new ApiError(0, { detail: "The answer broke off." });
    }
  }
}

/** A path with the values of a query that are not empty. */
function asking(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

const content = (response) => (response.headers.get("Content-Type")?.includes("json") ? response.json() : response.text());
