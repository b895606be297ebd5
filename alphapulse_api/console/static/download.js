// Saves a panel's list as a file.

import { $, el, say } from "./dom.js";

const KEPT_MS = 60_000; // some browsers read the file only after the click has returned

/**
 * Let the panel's download button save everything that matches, not only the rows on screen. Text that a spreadsheet
 * would run as a formula is made safe. @param {() => object} query what the panel's filters ask for
 */
export function downloadable(app, section, path, query) {
  const button = $("button[name=download]", section);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const asked = { ...query(), format: "csv", spreadsheet: "true" };
      save(await app.api.file(path, asked), `${path.split("/").at(-1)}.csv`);
    } catch (error) {
      say(section, error.message, true);
    }
    button.disabled = false;
  });
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
