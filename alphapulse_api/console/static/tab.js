// The tab's title and icon: they are visible while another tab is.

import { $ } from "./dom.js";

const LIVE = new URL("icon.svg", import.meta.url).href;
// Not a file: it is wanted when the server may be away.
const STALE = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <rect width="32" height="32" rx="7" fill="#6b7680"/><path d="M4 18h24" stroke="#fff" stroke-width="2.6"/>
  <circle cx="25" cy="7" r="6" fill="#e69f00"/></svg>`)}`;
const ICONS = { live: LIVE, stale: STALE };
const shown = { active: 0, state: "live" };

/** @param {{active?: number, state?: "live" | "stale"}} change `active` alerts, and whether the page is live */
export function tab(change) {
  const before = shown.state;
  Object.assign(shown, change);
  const count = shown.active ? `(${shown.active}) ` : "";
  document.title = `${shown.state === "stale" ? "⚠ stale " : ""}${count}AlphaPulse`;
  if (shown.state !== before) $("link[rel=icon]").href = ICONS[shown.state];
}
