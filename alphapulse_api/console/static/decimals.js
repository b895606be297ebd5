// Exact arithmetic with the API's decimal strings.

const placesOf = (text) => (text.split(".")[1] ?? "").length;

/** Decimal strings as integers of one scale. @returns {[bigint[], number]} and the number of their places */
function scaled(texts) {
  const places = Math.max(...texts.map(placesOf));
  const integers = texts.map((one) => one.split("."))
    .map(([whole, fraction = ""]) => BigInt(whole + fraction.padEnd(places, "0")));
  return [integers, places];
}

/** An integer of `places` as a decimal string. */
function text(integer, places) {
  const digits = String(integer < 0n ? -integer : integer).padStart(places + 1, "0");
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  const whole = digits.slice(0, digits.length - places);
  return `${integer < 0n ? "-" : ""}${whole}${places && fraction ? `.${fraction}` : ""}`;
}

/** The difference a - b. */
export function minus(a, b) {
  const [[x, y], places] = scaled([a, b]);
  return text(x - y, places);
}

/** The smaller of two. */
export function lesser(a, b) {
  const [[x, y]] = scaled([a, b]);
  return x < y ? a : b;
}

export const isPositive = (a) => scaled([a])[0][0] > 0n;
