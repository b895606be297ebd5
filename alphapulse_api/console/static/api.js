// The REST API: answers as they are, problems (RFC 9457) as exceptions.

/** Where the service is mounted, behind whatever prefix: the page is at console/ below it. */
export const BASE = new URL("..", document.baseURI);

/** A request that was refused, or got no answer (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem = {}, retryAfter = 0) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
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

export class Api {
  #session;

  constructor(session) {
    this.#session = session; // whose token is sent
  }

  /**
   * Read a resource; empty values of the query are left out. `cursor` is the channel's place before `data` was read,
   * `more` the path of the next page. @returns {Promise<{data: any, cursor: ?string, more: ?string}>}
   */
  async get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== "");
    const { headers, data } = await this.#send(given.length ? `${path}?${new URLSearchParams(given)}` : path);
    const next = /<([^>]*)>; rel="next"/.exec(headers.get("Link"))?.[1];
    return { data, cursor: headers.get("X-Stream-Cursor"), more: next && path.split("?")[0] + new URL(next, BASE).search };
  }

  /** As `get`, of all pages, or of so many; the cursor is the first one's, so that nothing is missing after it. */
  async getAll(path, query, pages = Infinity) {
    const all = await this.get(path, query);
    for (let { more } = all, n = 1; more && n < pages; n++) {
      const page = await this.get(more);
      all.data.push(...page.data);
      more = page.more;
    }
    return all;
  }

  /** @returns {Promise<any>} the answer's body */
  async post(path, content = {}) {
    const options = { method: "POST", body: JSON.stringify(content), headers: { "Content-Type": "application/json" } };
    return (await this.#send(path, options)).data;
  }

  async #send(path, options = {}, refused = undefined) {
    const token = await this.#session.token(refused);
    try {
      const authorized = { ...options.headers, Authorization: `Bearer ${token}` };
      const response = await request(path, { ...options, headers: authorized });
      const isJson = response.headers.get("Content-Type").includes("json");
      return { headers: response.headers, data: await (isJson ? response.json() : response.text()) };
    } catch (error) {
      if (error.status === 401 && refused === undefined) return this.#send(path, options, token);
      throw error instanceof ApiError ? error : new ApiError(0, { detail: "The answer broke off." });
    }
  }
}
