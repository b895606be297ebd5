// The job of test_generated.py with a client of hey-api, which checks what is sent and received with zod.
import {
  acknowledgeAlert, createAlert, createMetrics, createToken, createTrade, createTrades, exportTrades, getMe,
  getPortfolio, listMetrics, listTrades, updatePortfolio,
} from "./alphapulse/sdk.gen";
import { client } from "./alphapulse/client.gen";
import type { AggregationFunction } from "./alphapulse/types.gen";

const { AP_URL: baseUrl, AP_USERNAME: username, AP_PASSWORD: password } = process.env;
const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("nothing came back");
  return value;
};

client.setConfig({ baseUrl: must(baseUrl) });
const throwOnError = true;
const login = { grant_type: "password", username: must(username), password: must(password) } as const;
const first = (await createToken({ body: login, throwOnError })).data;
const renewal = { grant_type: "refresh_token", refresh_token: first.refresh_token } as const;
const token = (await createToken({ body: renewal, throwOnError })).data;
client.setConfig({ auth: ({ scheme }) => (scheme === "bearer" ? token.access_token : undefined) });

const order = { id: "t-1", symbol: "AAPL", side: "buy", quantity: "10.50", price: "187.20" } as const;
const trade = await createTrade({ body: order, throwOnError });
const again = await createTrade({ body: order, throwOnError });
const many = Array.from({ length: 1000 }, (_, n) => ({ ...order, id: `m-${n}`, symbol: "MSFT", side: "sell" as const }));
const batch = (await createTrades({ body: many, throwOnError })).data;

const pages: number[] = [];
let cursor: string | null | undefined;
do {
  const query = { symbol: "MSFT", side: "sell", limit: 400, ...(cursor ? { cursor } : {}) } as const;
  const page = await listTrades({ query, throwOnError });
  pages.push(page.data.length);
  cursor = page.response.headers.get("X-Next-Cursor");
} while (cursor);

const alert = (await createAlert({ body: { title: "drawdown", severity: "critical" }, throwOnError })).data;
const acknowledgement = { path: { id: alert.id }, body: { comments: "looking" } };
const seen = (await acknowledgeAlert({ ...acknowledgement, throwOnError })).data;

const points = [1, 2, 6].map((value) => ({
  metric_type: "risk", name: "var_95", timestamp: `2025-01-06T10:0${value}:00Z`, value,
}));
await createMetrics({ body: points, throwOnError });
const range = { start_time: "2025-01-06T10:00:00Z", end_time: "2025-01-06T11:00:00Z" };
const aggregation: AggregationFunction[] = ["avg", "max"];
const query = { ...range, aggregation, interval: "1h" };
const buckets = (await listMetrics({ path: { metric_type: "risk" }, query, throwOnError })).data;

for (const total_value of ["100000.00", "100250.75"])
  await updatePortfolio({ body: { total_value, cash: "25000.00" }, throwOnError });
const portfolio = (await getPortfolio({ query: { include_history: true }, throwOnError })).data;

const table = (await exportTrades({ query: { format: "csv", symbol: "MSFT" }, parseAs: "text", throwOnError })).data;

const refused = must((await createTrade({ body: { ...order, id: "t-2", executed_at: "2999-01-01T00:00:00Z" } })).error);
let limited;
do limited = await getMe(); while (limited.data);

console.log(JSON.stringify({
  role: token.role,
  renewed: token.access_token !== first.access_token,
  trade: [trade.data.id, trade.data.quantity, trade.response.status, again.response.status],
  batch: [batch.accepted, batch.refused],
  pages,
  acknowledged: [seen.status, seen.comments],
  buckets: buckets.map(({ timestamp, avg, max }) => [new Date(timestamp).getUTCHours(), avg, max]),
  portfolio: [portfolio.total_value, must(portfolio.history).length],
  exported: table.trimEnd().split("\n").length,
  refused: [refused.status, refused.errors?.[0]?.pointer],
  limited: [limited.error?.status, Number(limited.response?.headers.get("Retry-After")) > 0],
}));
