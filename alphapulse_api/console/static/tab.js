// The tab's title and icon: they are visible while another tab is.

import { $ } from "./dom.js";

const ICONS = { live: "icon.svg", stale: "icon-stale.svg" };
const shown = { active: 0, state: "live" };

/** @param {{active?: number, state?: "live" | "stale"}} change `active` alerts, and whether the page is live */
export function tab(change) {
  const before = shown.state;
  Object.assign(shown, change);
  const count = shown.active ? `(${shown.active}) ` : "";
  document.title = `${shown.state === "stale" ? "⚠ stale " : ""}${count}AlphaPulse`;
  if (shown.state !== before) $("link[rel=icon]").href = new URL(ICONS[shown.state], import.meta.url);
}
