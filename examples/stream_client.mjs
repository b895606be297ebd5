// Follow the channels from JavaScript; reconnect and go on where the connection was lost.
// Browsers, Deno, Bun and Node 22 have WebSocket; Node 20 with --experimental-websocket.
//
//   AP_API_KEY=apk_… node examples/stream_client.mjs http://127.0.0.1:8080 trades alerts

export function stream(url, credentials, channels, { onEvent, onGap, filters = {} }) {
  const cursors = {}; // channel -> the place after the newest event handed over
  let attempt = 0, socket, watchdog, stopped = false;

  const alive = (seconds) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => socket.close(4000, "silent"), seconds * 1000);
  };
  let patience = 75;
  const handlers = {
    welcome: (m) => { patience = 2.5 * m.ping_interval; send({ type: "auth", ...credentials() }); },
    authenticated: () => send({ type: "subscribe", channels, filters, since: { ...cursors } }),
    token_expiring: () => send({ type: "auth", ...credentials() }),
    subscribed: (m) => {
      attempt = 0;
      for (const [channel, { cursor, resumed }] of Object.entries(m.channels)) {
        if (channel in cursors && resumed === false) onGap(channel);
        cursors[channel] = cursor;
      }
    },
    resync: (m) => { cursors[m.channel] = m.cursor; onGap(m.channel); },
    heartbeat: (m) => Object.assign(cursors, m.cursors),
    error: (m) => console.error(`${m.code}: ${m.message}`),
  };
  const send = (message) => socket.send(JSON.stringify(message));

  const connect = () => {
    socket = new WebSocket(url.replace(/^http/, "ws") + "/ws");
    alive(30);
    socket.onmessage = ({ data }) => {
      alive(patience);
      const message = JSON.parse(data);
      if (!("data" in message)) return handlers[message.type]?.(message);
      onEvent(message);
      cursors[message.channel] = message.cursor; // only once it has been dealt with
    };
    socket.onclose = ({ reason }) => {
      clearTimeout(watchdog);
      if (stopped || ["auth_failed", "revoked"].includes(reason)) return;
      // Full jitter: clients that were cut off together do not come back together.
      const cap = Math.min(20_000, 500 * 2 ** attempt++);
      setTimeout(connect, reason === "slow_consumer" ? 0 : Math.random() * cap);
    };
    socket.onerror = () => {}; // a close follows
  };
  connect();
  return { close() { stopped = true; socket.close(); } };
}

if (globalThis.process?.argv[1]?.endsWith("stream_client.mjs")) {
  const [url, ...channels] = process.argv.slice(2);
  stream(url, () => ({ api_key: process.env.AP_API_KEY }), channels, {
    onEvent: (event) => console.log(JSON.stringify(event)),
    onGap: (channel) => console.log(JSON.stringify({ type: "gap", channel })),
  });
}
