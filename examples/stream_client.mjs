// Print the events of the channels as JSON lines, through lost connections and restarts.
// The client itself is one file without dependencies: copy stream.js. It needs Node 22.7, or
// Node 20.19 with --experimental-websocket.
//
//   AP_API_KEY=apk_… node examples/stream_client.mjs http://127.0.0.1:8080 trades alerts

import { stream } from "../alphapulse_api/console/static/stream.js";

const [url, ...channels] = process.argv.slice(2);
const print = (message) => console.log(JSON.stringify(message));
const credentials = (refused) => (refused ? null : { api_key: process.env.AP_API_KEY });

const client = stream(url, credentials, {
  event: print,
  gap: (channel) => print({ type: "gap", channel }),
});
for (const channel of channels) client.subscribe(channel);
