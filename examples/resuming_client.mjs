// Print channels as JSON lines, and resume after a lost connection. Needs Node 22 and no package.
//
//   AP_API_KEY=apk_… node resuming_client.mjs ws://127.0.0.1:8080/ws trades alerts
const [url, ...channels] = process.argv.slice(2);
const cursors = {};

function connect() {
  const socket = new WebSocket(url);
  const send = (message) => socket.send(JSON.stringify(message));
  const lost = () => {
    socket.onmessage = socket.onclose = socket.onerror = null;
    clearTimeout(silence);
    socket.close();
    setTimeout(connect, 1000 + 1000 * Math.random()); // not all clients at once
  };
  const handlers = {
    welcome: () => send({ type: "auth", api_key: process.env.AP_API_KEY }),
    authenticated: () => send({ type: "subscribe", channels, since: cursors }),
    subscribed: (message) => { // `resumed` false: events are missing, read REST
      for (const channel in message.channels) cursors[channel] = message.channels[channel].cursor;
    },
    heartbeat: (message) => Object.assign(cursors, message.cursors),
    error: lost,
    unsubscribed: lost,
  };
  const silence = setTimeout(lost, 75_000); // a heartbeat comes every 30 s
  socket.onclose = socket.onerror = lost;
  socket.onmessage = ({ data }) => {
    silence.refresh();
    console.log(data);
    const message = JSON.parse(data);
    if (message.cursor) cursors[message.channel] = message.cursor;
    handlers[message.type]?.(message);
  };
}
connect();
