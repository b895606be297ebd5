// A question before a deed that cannot be undone.

import { $, marked, onSubmit } from "./dom.js";

const dialog = $("#question-dialog");
let deed;

onSubmit($("form", dialog), async () => {
  await deed();
  dialog.close();
});
$("button[name=cancel]", dialog).addEventListener("click", () => dialog.close());

/** Ask before `act`; its error is shown in the dialog. @param {() => Promise<void>} act */
export function ask(question, button, act) {
  deed = act;
  $("#question").replaceChildren(...marked(question));
  $("[role=alert]", dialog).textContent = "";
  $("button[type=submit]", dialog).textContent = button;
  dialog.showModal();
}
