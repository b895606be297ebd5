// One series in time buckets: the server's aggregates, and the newest points one by one.
// The server's rules (docs/http.md): buckets count from the epoch, nulls are ignored, percentiles interpolate.

const total = (values) => values.reduce((sum, value) => sum + value, 0);

const percentile = (fraction) => (values) => {
  const sorted = values.toSorted((a, b) => a - b), at = fraction * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
};
const deviation = (values) => {
  const mean = total(values) / values.length;
  return values.length < 2 ? null : Math.sqrt(total(values.map((value) => (value - mean) ** 2)) / (values.length - 1));
};

/** Combine the value `v` of `n` points with further values `xs`, oldest first; either may be empty, but not both. */
const MERGED = {
  avg: (v, n, xs) => ((v ?? 0) * n + total(xs)) / (n + xs.length),
  min: (v, n, xs) => Math.min(...(n ? [v] : []), ...xs),
  max: (v, n, xs) => Math.max(...(n ? [v] : []), ...xs),
  sum: (v, n, xs) => (v ?? 0) + total(xs),
  count: (v, n, xs) => n + xs.length,
  first: (v, n, xs) => (n ? v : xs[0]),
  last: (v, n, xs) => xs.at(-1) ?? v,
};
/** These need all points of a bucket: only the server can compute a bucket that it has begun. */
const WHOLE = { stddev: deviation, p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) };

export const AGGREGATIONS = [...Object.keys(MERGED), ...Object.keys(WHOLE)];
export const isMergeable = (aggregation) => aggregation in MERGED;

export class Series {
  #aggregation; #width;
  #buckets = new Map(); // start -> {value, count, points: Map of time -> value}
  newest = -Infinity; // time of the newest point; of what the server has aggregated, the start of the bucket

  /** @param {string} aggregation @param {number} width of a bucket, ms; 0 if only the server aggregates */
  constructor(aggregation, width) {
    this.#aggregation = aggregation;
    this.#width = width;
  }

  /** The server's aggregate of `count` points. */
  settle(start, value, count) {
    this.#buckets.set(start, { value, count, points: new Map() });
    this.newest = Math.max(this.newest, start);
  }

  /** Add a point; one of the same time is replaced. */
  add(time, value) {
    const start = Math.floor(time / this.#width) * this.#width;
    let bucket = this.#buckets.get(start);
    if (!bucket) this.#buckets.set(start, (bucket = { value: null, count: 0, points: new Map() }));
    bucket.points.set(time, value);
    this.newest = Math.max(this.newest, time);
  }

  /** Drop buckets before `from`, and single points before `until`; their values stay in the merged aggregates. */
  fold(from, until) {
    for (const [start, bucket] of this.#buckets) {
      if (start + this.#width <= from) this.#buckets.delete(start);
      else if (bucket.points.size && (isMergeable(this.#aggregation) || start + this.#width <= until)) {
        const old = [...bucket.points].filter(([time]) => time < until);
        bucket.value = this.#value({ ...bucket, points: new Map(old) });
        bucket.count += old.filter(([, value]) => value !== null).length;
        for (const [time] of old) bucket.points.delete(time);
      }
    }
  }

  /** @returns {{x: number[], y: (?number)[]}} starts (epoch ms) and values, oldest first */
  values() {
    const sorted = [...this.#buckets].sort(([a], [b]) => a - b);
    return { x: sorted.map(([start]) => start), y: sorted.map(([, bucket]) => this.#value(bucket)) };
  }

  #value({ value, count, points }) {
    const xs = [...points].sort(([a], [b]) => a - b).map(([, x]) => x).filter((x) => x !== null);
    if (!xs.length) return value;
    if (isMergeable(this.#aggregation)) return MERGED[this.#aggregation](value, count, xs);
    return count ? value : WHOLE[this.#aggregation](xs);
  }
}
