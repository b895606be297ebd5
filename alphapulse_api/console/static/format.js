// Values as text. Money stays the decimal string that it came as: Intl formats strings digit for digit.

const decimals = (least, sign = "auto") =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: 20, signDisplay: sign });
const MONEY = decimals(2), SIGNED = decimals(2, "exceptZero"), QUANTITY = decimals(0);
const SHORT = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });
const PERCENT = new Intl.NumberFormat("en-US", { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SIGNED_PERCENT = new Intl.NumberFormat("en-US", { ...PERCENT.resolvedOptions(), signDisplay: "exceptZero" });
const BYTES = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const NOTHING = "–";
const or = (format) => (value) => (value === null || value === undefined ? NOTHING : format(value));

/** @type {(text: ?string) => string} an exact amount, with cents at least */
export const money = or((text) => MONEY.format(text));
/** @type {(text: ?string) => string} an exact amount with its sign */
export const gain = or((text) => SIGNED.format(text));
/** @type {(text: ?string) => string} an exact quantity */
export const quantity = or((text) => QUANTITY.format(text));
/** @type {(value: ?number) => string} a measured number, to five digits */
export const number = or((value) => SHORT.format(value));
/** @type {(fraction: ?number) => string} 0.01 is 1.00% */
export const percent = or((fraction) => PERCENT.format(fraction));
export const signedPercent = or((fraction) => SIGNED_PERCENT.format(fraction));
export const mebibytes = or((bytes) => `${BYTES.format(bytes / 2 ** 20)} MiB`);
export const milliseconds = or((ms) => (ms < 1000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`));

/** The class of a gain or a loss; the sign in the text says the same without colour. */
export const direction = (value) => (Number(value) > 0 ? "up" : Number(value) < 0 ? "down" : "");

/** a - b of two decimal strings, exactly. */
export function minus(a, b) {
  const places = Math.max(...[a, b].map((text) => (text.split(".")[1] ?? "").length));
  const scaled = (text) => {
    const [whole, fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(places, "0"));
  };
  const difference = scaled(a) - scaled(b);
  const digits = String(difference < 0n ? -difference : difference).padStart(places + 1, "0");
  const cut = digits.length - places;
  return `${difference < 0n ? "-" : ""}${digits.slice(0, cut)}${places ? `.${digits.slice(cut)}` : ""}`;
}

/** Words out of a name: max_drawdown is "max drawdown". */
export const words = (name) => name.replaceAll("_", " ");

/** A time of day in UTC, with its date unless that is today. @param {?string} iso */
export const time = or((iso) =>
  iso.slice(0, 10) === new Date().toISOString().slice(0, 10) ? iso.slice(11, 19) : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`);

/** How long ago, in words. @param {?string} iso */
export const ago = or((iso) => {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
});
