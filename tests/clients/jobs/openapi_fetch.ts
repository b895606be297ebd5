// The job of test_generated.py with types of openapi-typescript, through openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const { AP_URL: baseUrl, AP_USERNAME: username, AP_PASSWORD: password } = process.env;
const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("nothing came back");
  return value;
};
const form = { "Content-Type": "application/x-www-form-urlencoded" };

const anybody = createClient<paths>({ baseUrl: must(baseUrl) });
const logIn = async (body: components["schemas"]["TokenRequest"]) =>
  must((await anybody.POST("/token", { body, headers: form })).data);
const first = await logIn({ grant_type: "password", username: must(username), password: must(password) });
const token = await logIn({ grant_type: "refresh_token", refresh_token: first.refresh_token });
const headers = { Authorization: `Bearer ${token.access_token}` };
const client = createClient<paths>({ baseUrl: must(baseUrl), headers });

const order = { id: "t-1", symbol: "AAPL", side: "buy", quantity: "10.50", price: "187.20" } as const;
const trade = await client.POST("/api/trades", { body: order });
const again = await client.POST("/api/trades", { body: order });
const many = Array.from({ length: 1000 }, (_, n) => ({ ...order, id: `m-${n}`, symbol: "MSFT", side: "sell" as const }));
const batch = must((await client.POST("/api/trades/batch", { body: many })).data);

const pages: number[] = [];
let cursor: string | null | undefined;
do {
  const query = { symbol: "MSFT", side: "sell", limit: 400, ...(cursor ? { cursor } : {}) } as const;
  const page = await client.GET("/api/trades", { params: { query } });
  pages.push(must(page.data).length);
  cursor = page.response.headers.get("X-Next-Cursor");
} while (cursor);

const alert = must((await client.POST("/api/alerts", { body: { title: "drawdown", severity: "critical" } })).data);
const path = { id: alert.id };
const seen = must(
  (await client.POST("/api/alerts/{id}/acknowledge", { params: { path }, body: { comments: "looking" } })).data,
);

const points = [1, 2, 6].map((value) => ({
  metric_type: "risk", name: "var_95", timestamp: `2025-01-06T10:0${value}:00Z`, value,
}));
must((await client.POST("/api/metrics/batch", { body: points })).data);
const range = { start_time: "2025-01-06T10:00:00Z", end_time: "2025-01-06T11:00:00Z" };
const aggregation: components["schemas"]["AggregationFunction"][] = ["avg", "max"];
const query = { ...range, aggregation, interval: "1h" };
const buckets = must((await client.GET("/api/metrics/{metric_type}", { params: { path: { metric_type: "risk" }, query } })).data);

for (const total_value of ["100000.00", "100250.75"])
  must((await client.PUT("/api/portfolio", { body: { total_value, cash: "25000.00" } })).data);
const portfolio = must((await client.GET("/api/portfolio", { params: { query: { include_history: true } } })).data);

const table = must(
  (await client.GET("/api/trades/export", { params: { query: { format: "csv", symbol: "MSFT" } }, parseAs: "text" })).data,
);

const refused = must((await client.POST("/api/trades", { body: { ...order, id: "t-2", executed_at: "2999-01-01T00:00:00Z" } })).error);
let limited;
do limited = await client.GET("/api/me"); while (limited.data);

console.log(JSON.stringify({
  role: token.role,
  renewed: token.access_token !== first.access_token,
  trade: [must(trade.data).id, must(trade.data).quantity, trade.response.status, again.response.status],
  batch: [batch.accepted, batch.refused],
  pages,
  acknowledged: [seen.status, seen.comments],
  buckets: buckets.map(({ timestamp, avg, max }) => [new Date(timestamp).getUTCHours(), avg, max]),
  portfolio: [portfolio.total_value, must(portfolio.history).length],
  exported: table.trimEnd().split("\n").length,
  refused: [refused.status, refused.errors?.[0]?.pointer],
  limited: [limited.error.status, Number(limited.response.headers.get("Retry-After")) > 0],
}));
