// Values as text. Money stays the decimal string of the API: Intl formats strings digit for digit.

const decimal = (least, most, signDisplay = "auto") =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most, signDisplay });
const inPercent = (signDisplay) =>
  new Intl.NumberFormat("en-US", { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay });
const digits = (maximumSignificantDigits) => new Intl.NumberFormat("en-US", { maximumSignificantDigits });

/** A formatter that shows a dash for a missing value. */
const orDash = (format) => (value) => (value === null || value === undefined ? "–" : format(value));
const by = (formatter) => orDash((value) => formatter.format(value));

// Decimal strings: every digit, and at least cents.
export const money = by(decimal(2, 100));
export const gain = by(decimal(2, 100, "exceptZero"));
export const quantity = by(decimal(0, 100));
// The same, rounded for reading; the exact value is in the title.
export const cents = by(decimal(2, 2));
export const gainInCents = by(decimal(2, 2, "exceptZero"));
// Numbers.
export const number = by(digits(5));
export const percent = by(inPercent("auto"));
export const signedPercent = by(inPercent("exceptZero"));
export const mebibytes = orDash((bytes) => `${digits(3).format(bytes / 2 ** 20)} MiB`);
export const milliseconds = orDash((ms) =>
  (ms < 1000 ? `${Math.max(0, Math.round(ms))} ms` : `${digits(3).format(ms / 1000)} s`));

/** The class of a gain or a loss; the sign in the text shows it without colour. */
export const direction = (value) => (Number(value) > 0 ? "up" : Number(value) < 0 ? "down" : "");

/** A name as words: max_drawdown is "max drawdown". */
export const words = (name) => name.replaceAll("_", " ");

/**
 * Epoch milliseconds, with the microseconds that Date.parse drops. @param {string} iso in UTC, as the server writes it
 */
export const instant = (iso) => Date.parse(`${iso.slice(0, 19)}Z`) + Number(iso.slice(20, -1).padEnd(6, "0")) / 1000;

/** The latest of the times of items; null if there are none. @type {<T>(items: Iterable<T>, at: (item: T) => number) => ?number} */
export const newest = (items, at) => [...items].reduce((latest, item) => Math.max(latest ?? -Infinity, at(item)), null);

/** An instant as the API accepts it. @type {(ms: number) => string} */
export const rfc3339 = (ms) => new Date(ms).toISOString();

/** A time of day in UTC, with its date unless that is today. @param {?string} iso */
export const time = orDash((iso) => {
  const day = iso.slice(0, 10), clock = iso.slice(11, 19);
  return day === rfc3339(Date.now()).slice(0, 10) ? clock : `${day} ${clock}`;
});

/** A span of time in words. @param {number} ms */
export function age(ms) {
  const seconds = Math.max(0, ms / 1000);
  const [width, unit] = [[86400, "days"], [3600, "h"], [60, "min"], [1, "s"]].find(([w]) => seconds >= 1.5 * w) ?? [1, "s"];
  return `${Math.round(seconds / width)} ${unit}`;
}

/** How long ago, in words. @param {?string} iso */
export const ago = orDash((iso) => `${age(Date.now() - Date.parse(iso))} ago`);
