// The reference client of docs/websocket.md: every event once, in order, across lost connections.
// It has no dependency: browsers, Deno, Bun and Node 22 have WebSocket; Node 20 with --experimental-websocket.

const PING_SECONDS = 10; // also the time-out of a pong, which detects the dead socket of a laptop that slept
const RENEW_SECONDS = 1; // between calls of `credentials` for a token that is about to expire

/**
 * Follow channels of the service at `url` (http or https).
 * @param {(refused?: object) => Promise<?object> | object} credentials `{token}` or `{api_key}`, different from
 *   `refused`; null ends the stream; if it fails, it is called again later
 * @param {(event: {type: string, channel: string, cursor: string, data: object}) => void} on.event
 * @param {(channel: string) => void} on.gap events are missing before the next one: read the REST API again
 * @param {(state: "connecting" | "live" | "reconnecting" | "offline") => void} [on.state]
 * @param {(roundTrip: number, timestamp: string) => void} [on.pong] milliseconds, and the server's time
 * @param {(error: {code: string, message: string}) => void} [on.error] the server's errors, and the code
 *   `credentials` if that function failed
 */
export function stream(url, credentials, { event, gap, state = () => {}, pong = () => {}, error = console.error }) {
  const filters = {}; // channel -> its filters; the channels that are wanted
  const cursors = {}; // channel -> the position after the newest event that was delivered
  const asked = {}; // channel -> id of the subscribe that is not answered yet
  let socket, given, watchdog, retry, again, joined, stopped = false, attempt = 0, ids = 0, patience = 75;

  const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  const alive = (seconds) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, seconds * 1000, "silent");
  };
  const ask = (channels) => {
    const id = ++ids;
    const some = (values) => Object.fromEntries(channels.filter((c) => values[c]).map((c) => [c, values[c]]));
    for (const channel of channels) asked[channel] = id;
    send({ type: "subscribe", id, channels, filters: some(filters), since: some(cursors) });
  };
  const askAgain = () => {
    again = undefined;
    if (Object.keys(asked).length) ask(Object.keys(asked));
  };
  const refused = (id) => {
    const channels = Object.keys(asked).filter((channel) => asked[channel] === id);
    // A subscribe is all or nothing: separate ones keep a refused channel from blocking the others.
    if (channels.length > 1) return channels.forEach((channel) => ask([channel]));
    for (const channel of channels) { delete asked[channel]; delete filters[channel]; }
  };
  const live = () => { attempt = 0; state("live"); };
  const handlers = {
    welcome: (m) => { patience = 2.5 * m.ping_interval; send({ type: "auth", ...given }); },
    authenticated: () => {
      if (joined) return; // a new token; the subscriptions stay
      joined = true;
      const channels = Object.keys(filters);
      if (channels.length) ask(channels); else live();
    },
    token_expiring: () => renew(socket),
    subscribed: (m) => {
      for (const [channel, { cursor, resumed }] of Object.entries(m.channels)) {
        if (asked[channel] !== m.id) continue; // replaced by a newer request
        delete asked[channel];
        cursors[channel] = cursor;
        if (resumed === false) gap(channel);
      }
      live();
    },
    resync: (m) => { cursors[m.channel] = m.cursor; gap(m.channel); },
    heartbeat: (m) => { for (const c in m.cursors) if (!(c in asked)) cursors[c] = m.cursors[c]; },
    pong: (m) => pong(Date.now() - m.id, m.timestamp),
    error: (m) => {
      error(m);
      // Repeat what was not answered, once the rate limit permits it.
      if (m.code === "rate_limited") again ??= setTimeout(askAgain, 1000 * (1 + Math.random()));
      else if (m.code !== "internal") refused(m.id);
      else if (Object.values(asked).includes(m.id)) lost(m.code);
    },
  };

  const missing = (failure) => error({ code: "credentials", message: String(failure?.message ?? failure) });
  const renew = async (own) => {
    const current = () => own === socket && joined && !stopped;
    try {
      const next = await credentials(given);
      if (stopped) return;
      if (!next) return close();
      given = next;
      if (current()) send({ type: "auth", ...given });
    } catch (failure) {
      if (!current()) return;
      missing(failure);
      // The token is valid for a while, and the server announces its expiry only once.
      setTimeout(() => current() && renew(own), RENEW_SECONDS * 1000 * (0.5 + Math.random()));
    }
  };
  const connect = async (worn) => {
    clearTimeout(retry);
    retry = undefined;
    try {
      given = await credentials(worn);
    } catch (failure) {
      if (stopped) return;
      missing(failure);
      return later(worn);
    }
    if (stopped) return;
    if (!given) return close();
    socket = new WebSocket(new URL("ws", url.endsWith("/") ? url : `${url}/`).href.replace(/^http/, "ws"));
    alive(30);
    socket.onmessage = ({ data }) => {
      alive(patience);
      const message = JSON.parse(data);
      if (!("data" in message)) return handlers[message.type]?.(message);
      if (message.channel in asked) return; // of the previous subscription; the new one replays it
      event(message);
      cursors[message.channel] = message.cursor; // only after it was processed
    };
    socket.onclose = ({ reason }) => lost(reason);
    socket.onerror = () => lost(); // Node fires no close event when a handshake is cut
  };
  const drop = () => {
    clearTimeout(watchdog);
    again = clearTimeout(again);
    // A dead connection may take minutes to close: do not wait for it.
    socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
    joined = false;
    for (const channel in asked) delete asked[channel];
  };
  function lost(reason) {
    drop();
    later(["auth_failed", "token_expired", "revoked"].includes(reason) ? given : undefined, reason === "slow_consumer");
  }
  function later(worn, atOnce) {
    state("reconnecting");
    // Full jitter: clients that were cut together do not reconnect together.
    const wait = atOnce ? 0 : Math.random() * Math.min(20_000, 500 * 2 ** attempt++);
    retry = setTimeout(connect, wait, worn);
  }

  const check = () => {
    if (retry !== undefined) connect();
    else if (joined) { send({ type: "ping", id: Date.now() }); alive(PING_SECONDS); }
  };
  const close = () => {
    stopped = true;
    clearInterval(pinging);
    clearTimeout(retry);
    if (socket) drop();
    state("offline");
  };
  const pinging = setInterval(() => joined && check(), PING_SECONDS * 1000);
  state("connecting");
  connect();
  return {
    /**
     * Follow a channel, or replace its filters; `since` is a cursor, such as that of X-Stream-Cursor. A channel that is
     * refused (on.error reports it) is not followed any more after the connection is lost.
     */
    subscribe(channel, wanted = {}, since = cursors[channel]) {
      filters[channel] = wanted;
      cursors[channel] = since;
      if (joined) ask([channel]);
    },
    /** Check the connection, and reconnect if it is dead: for a page shown again or a network that came back. */
    check,
    close,
  };
}
