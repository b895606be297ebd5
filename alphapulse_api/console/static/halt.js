// The halt of all agents: one question, and what became of each agent.

import { $, el, onSubmit, sync } from "./dom.js";
import { stateMark } from "./commands.js";

const NAME = "halt";

export class Halt {
  #app; #commands; #agents;
  #dialog = $("#halt-dialog");
  #sent = new Map(); // agent -> its command

  /** @param {() => object[]} agents those that the page knows */
  constructor(app, commands, agents) {
    this.#app = app;
    this.#commands = commands;
    this.#agents = agents;
    $("#panel-agents button[name=halt]").addEventListener("click", () => this.#ask());
    onSubmit($("form", this.#dialog), ({ reason }) => this.#send(reason.value.trim()));
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  /** The button is for those who may send every command. */
  start() {
    $("#panel-agents button[name=halt]").hidden = !this.#app.session.can("control_full");
  }

  #ask() {
    const all = this.#agents().map((agent) => [agent.agent_id, (agent.commands ?? []).some(({ name }) => name === NAME)]);
    const able = all.filter(([, can]) => can).map(([id]) => id), unable = all.filter(([, can]) => !can).map(([id]) => id);
    $("form", this.#dialog).reset();
    $("[role=alert]", this.#dialog).textContent = "";
    $("[data-field=effect]", this.#dialog).textContent = able.length
      ? `These agents get the command halt, each at most once: ${able.join(", ")}.` : "No agent declares the command halt.";
    const missing = $("[data-field=unable]", this.#dialog);
    missing.textContent = unable.length ? `Not halted, because they do not declare it: ${unable.join(", ")}.` : "";
    $("#halted").replaceChildren();
    this.#asking(true);
    this.#dialog.showModal();
  }

  async #send(reason) {
    const sent = await this.#app.api.post("api/commands/halt", reason ? { reason } : {});
    this.#asking(false);
    this.#sent = new Map(sent.map((command) => [command.agent_id, command]));
    this.#show();
    for (const command of sent) this.#commands.follow(command, (now) => { this.#sent.set(now.agent_id, now); this.#show(); });
  }

  /** After the question, the dialog shows the outcomes. */
  #asking(isAsking) {
    $("button[type=submit]", this.#dialog).hidden = $("label", this.#dialog).hidden = !isAsking;
    $("button[name=cancel]", this.#dialog).textContent = isAsking ? "Cancel" : "Close";
  }

  #show() {
    const sent = [...this.#sent.values()];
    sync($("#halted"), sent, ({ agent_id }) => agent_id, (command) => el("li", {}, `${command.agent_id} `, stateMark(command)));
    const open = sent.filter(({ ended_at }) => ended_at === null).length;
    $("[data-field=effect]", this.#dialog).textContent = open ? `${open} of ${sent.length} have not answered yet.`
      : `Each of ${sent.length} has answered, or its time is over.`;
  }
}
