// The day of whoever looks at the page.

/** The time zone of the browser. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The start of the day that an instant is in. @type {(ms: number) => number} */
export const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0);
