// Commands to agents: the buttons, the question before one is sent, and what becomes of it.

import { $, el, marked, onSubmit } from "./dom.js";
import { instant, time, words } from "./format.js";
import { LogPanel } from "./log_panel.js";
import { schemaForm } from "./schema_form.js";

const SECONDS = 5, WAIT_SECONDS = 10;
const EMPTY = "No commands were sent.";
const NEEDS = { basic: "control", full: "control_full" }; // by level, the permission
const FINAL = new Set(["done", "failed", "refused", "expired"]);
const SIGNS = { pending: "◌", delivered: "→", accepted: "◐", done: "✓", failed: "✖", refused: "✖", expired: "✖" };

/** How far a command has come, in words. */
export function stateMark({ state, detail, served }) {
  const note = detail ?? (state === "pending" && served === false ? "nobody takes the commands of this agent at present" : "");
  return el("span", { "data-state": state }, `${SIGNS[state]} ${state}${note ? `: ${note}` : ""}`);
}

export class Commands {
  #app; #changed; #log;
  #dialog = $("#command-dialog");
  #asked; // {agent, command, form} of the open dialog

  /** @param {() => void} changed is called once a command has ended */
  constructor(app, changed) {
    this.#app = app;
    this.#changed = changed;
    this.#log = new LogPanel(app, $("#panel-commands"), {
      path: "api/commands", seconds: SECONDS, empty: EMPTY, timeOf: ({ created_at }) => instant(created_at),
      columns: [
        ["Time", ({ created_at }) => el("time", { datetime: created_at, title: created_at }, time(created_at))],
        ["Agent", ({ agent_id }) => agent_id],
        ["Command", ({ name, parameters }) =>
          [name, ...(Object.keys(parameters).length ? [JSON.stringify(parameters)] : [])].join(" "), "wide"],
        ["State", stateMark, "wide"],
        ["By", ({ created_by }) => created_by],
        ["Reason", ({ reason }) => reason ?? "–", "wide"],
        ["Result", ({ result }) => (result === null ? "–" : JSON.stringify(result)), "wide"],
      ],
    });
    this.start = () => this.#log.start();
    this.state = () => this.#log.state();
    onSubmit($("form", this.#dialog), () => this.#send());
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
  }

  /** Buttons for what the agent declares and the user may send. */
  buttons(agent) {
    return (agent.commands ?? []).filter(({ level }) => this.#app.session.can(NEEDS[level])).map((command) =>
      el("button", {
        type: "button", "data-action": command.name, title: command.title, onclick: () => this.#ask(agent, command),
      }, words(command.name)));
  }

  #ask({ agent_id, state }, command) {
    const form = schemaForm(command.parameters);
    this.#asked = { agent_id, command, form };
    $("form", this.#dialog).reset();
    $("#command-question").replaceChildren(...marked(`${words(command.name)}: ${agent_id}?`));
    const effect = command.title ?? `The agent ${agent_id} gets the command ${command.name}.`;
    $("[data-field=effect]", this.#dialog).replaceChildren(
      ...marked(`${effect} It is ${state} now. The command is handed out at most once.`));
    $("[data-field=parameters]", this.#dialog).replaceChildren(...form.nodes);
    $("[role=alert]", this.#dialog).textContent = "";
    $("button[type=submit]", this.#dialog).textContent = `Send ${words(command.name)}`;
    this.#dialog.showModal();
  }

  async #send() {
    const { agent_id, command: { name }, form } = this.#asked, reason = $("[name=reason]", this.#dialog).value.trim();
    const content = { name, parameters: form.read(), ...(reason && { reason }) };
    const sent = await this.#app.api.post(`api/agents/${encodeURIComponent(agent_id)}/commands`, content);
    this.#dialog.close();
    this.follow(sent);
  }

  /** Show a command until it has ended. @param {(command: object) => void} [show] shows it elsewhere, too */
  async follow(command, show = () => {}) {
    this.#log.put(command);
    while (!FINAL.has(command.state)) {
      try {
        const path = `api/commands/${encodeURIComponent(command.id)}`;
        command = (await this.#app.api.get(path, { wait: WAIT_SECONDS })).data;
      } catch {
        return; // the list is read again anyway
      }
      this.#log.put(command);
      show(command);
    }
    this.#changed();
  }
}
