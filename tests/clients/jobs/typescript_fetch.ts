// The job of test_generated.py with a client that openapi-generator made (typescript-fetch).
import {
  AggregationFunction, AlertsApi, AuthApi, Configuration, ExportFormat, GrantType, MetricsApi, PortfolioApi,
  ProblemFromJSON, ResponseError, Severity, Side, TradesApi,
} from "./alphapulse";

const { AP_URL: basePath, AP_USERNAME: username, AP_PASSWORD: password } = process.env;
const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("nothing came back");
  return value;
};
/** The problem that a call ends with, and the headers of its answer. */
const problem = async (call: Promise<unknown>) => {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    return { headers: error.response.headers, ...ProblemFromJSON(await error.response.json()) };
  }
  return undefined;
};

const anybody = new AuthApi(new Configuration({ basePath: must(basePath) }));
const first = await anybody.createToken({
  grantType: GrantType.Password, username: must(username), password: must(password),
});
const token = await anybody.createToken({ grantType: GrantType.RefreshToken, refreshToken: first.refreshToken });
const configuration = new Configuration({ basePath: must(basePath), accessToken: token.accessToken });
const trades = new TradesApi(configuration);
const alerts = new AlertsApi(configuration);
const metrics = new MetricsApi(configuration);
const portfolios = new PortfolioApi(configuration);

const order = { id: "t-1", symbol: "AAPL", side: Side.Buy, quantity: "10.50", price: "187.20" };
const trade = await trades.createTradeRaw({ tradeRequest: order });
const again = await trades.createTradeRaw({ tradeRequest: order });
const many = Array.from({ length: 1000 }, (_, n) => ({ ...order, id: `m-${n}`, symbol: "MSFT", side: Side.Sell }));
const batch = await trades.createTrades({ tradeRequest: many });

const pages: number[] = [];
let cursor: string | null | undefined;
do {
  const query = { symbol: "MSFT", side: Side.Sell, limit: 400, ...(cursor ? { cursor } : {}) };
  const page = await trades.listTradesRaw(query);
  pages.push((await page.value()).length);
  cursor = page.raw.headers.get("X-Next-Cursor");
} while (cursor);

const alert = await alerts.createAlert({ alertRequest: { title: "drawdown", severity: Severity.Critical } });
const seen = await alerts.acknowledgeAlert({ id: alert.id, acknowledgeRequest: { comments: "looking" } });

const points = [1, 2, 6].map((value) => ({
  metricType: "risk", name: "var_95", timestamp: new Date(`2025-01-06T10:0${value}:00Z`), value,
}));
await metrics.createMetrics({ metricPointRequest: points });
const range = { startTime: new Date("2025-01-06T10:00:00Z"), endTime: new Date("2025-01-06T11:00:00Z") };
const aggregation = [AggregationFunction.Avg, AggregationFunction.Max];
const buckets = await metrics.listMetrics({ metricType: "risk", ...range, aggregation, interval: "1h" });

for (const totalValue of ["100000.00", "100250.75"])
  await portfolios.updatePortfolio({ portfolioRequest: { totalValue, cash: "25000.00" } });
const portfolio = await portfolios.getPortfolio({ includeHistory: true });

const table = await trades.exportTrades({ format: ExportFormat.Csv, symbol: "MSFT" });

const future = { ...order, id: "t-2", executedAt: new Date("2999-01-01T00:00:00Z") };
const refused = must(await problem(trades.createTrade({ tradeRequest: future })));
const me = new AuthApi(configuration);
let limited;
do limited = await problem(me.getMe()); while (!limited);

console.log(JSON.stringify({
  role: token.role,
  renewed: token.accessToken !== first.accessToken,
  trade: [(await trade.value()).id, (await again.value()).quantity, trade.raw.status, again.raw.status],
  batch: [batch.accepted, batch.refused],
  pages,
  acknowledged: [seen.status, seen.comments],
  buckets: buckets.map(({ timestamp, avg, max }) => [timestamp.getUTCHours(), avg, max]),
  portfolio: [portfolio.totalValue, must(portfolio.history).length],
  exported: table.trimEnd().split("\n").length,
  refused: [refused.status, refused.errors?.[0]?.pointer],
  limited: [limited.status, Number(limited.headers.get("Retry-After")) > 0],
}));
