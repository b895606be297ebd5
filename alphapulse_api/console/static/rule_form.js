// The form of a rule: makes one or changes it, and tests the draft on the past.

import { $, el, onSubmit } from "./dom.js";
import { number, rfc3339, time } from "./format.js";
import { schemaForm } from "./schema_form.js";

const SHOWN = 50; // changes of a test
const SILENCE = "silence";
const hasValue = (rule) => rule.function !== SILENCE;
const text = (title, description, more = {}) => ({ type: "string", title, description, ...more });
// The fields of the form, in its order; `of` is what is watched, `when` whether the field makes sense.
const FIELDS = {
  name: text("Name", "", { required: true }),
  watch: { title: "Watches", enum: ["metric", "portfolio", "agent", "system"], default: "metric", required: true },
  metric_type: text("Metric type", "such as risk", { of: ["metric"] }),
  metric_name: text("Metric name", "", { of: ["metric"] }),
  field: text("Field", "such as total_value, positions.weight, state or status", { of: ["portfolio", "agent", "system"] }),
  book: text("Book", "each one, if empty", { of: ["portfolio"] }),
  agent_id: text("Agent", "each one, if empty", { of: ["agent"] }),
  component: text("Component", "each one, if empty", { of: ["system"] }),
  function: {
    title: "Function", default: "last", required: true,
    enum: ["last", "avg", "min", "max", "sum", "count", "stddev", "change", "change_percent", "rate", SILENCE],
  },
  window: text("Window", "such as 5m", { when: (rule) => rule.function !== "last" }),
  operator: { title: "Compared", enum: [">", ">=", "<", "<=", "==", "!="], default: ">", when: hasValue },
  threshold: { type: "number", title: "Threshold", when: hasValue },
  recover: { type: "number", title: "Recovers at", description: "the threshold while it fires", when: hasValue },
  for: text("For", "how long it must hold, such as 5m"),
  keep_firing_for: text("Keeps firing for", "how long an alert outlives the condition"),
  severity: { title: "Severity", enum: ["info", "warning", "error", "critical"], default: "warning", required: true },
  title: text("Title", "a template: {name}, {value:.2f}, {labels.symbol}"),
  message: text("Message", "a template"),
};
const REQUIRED = Object.keys(FIELDS).filter((name) => FIELDS[name].required);

export class RuleForm {
  #app; #saved; #rule; #form;
  #dialog = $("#rule-dialog");
  #fields = $("#rule-dialog .fields");

  /** @param {() => void} saved is called once a rule was stored */
  constructor(app, saved) {
    this.#app = app;
    this.#saved = saved;
    const form = $("form", this.#dialog);
    onSubmit(form, () => this.#save());
    form.addEventListener("change", () => this.#fit());
    $("button[name=cancel]", this.#dialog).addEventListener("click", () => this.#dialog.close());
    $("button[name=test]", this.#dialog).addEventListener("click", () => this.#test());
  }

  /** Ask for a rule; one that is given is changed. */
  open(rule = null) {
    this.#rule = rule;
    const preset = (name) => rule?.[name] ?? (rule ? undefined : FIELDS[name].default);
    const properties = Object.fromEntries(
      Object.entries(FIELDS).map(([name, field]) => [name, { ...field, default: preset(name) }]));
    this.#form = schemaForm({ properties, required: REQUIRED });
    this.#fields.replaceChildren(...this.#form.nodes);
    $("#rule-question").textContent = rule ? `Change the rule ${rule.name}` : "New rule";
    $("[role=alert]", this.#dialog).textContent = "";
    $("#tested").replaceChildren();
    this.#fit();
    this.#dialog.showModal();
  }

  /** Show the fields that make sense. */
  #fit() {
    const rule = this.#form.read();
    for (const [name, { of, when }] of Object.entries(FIELDS)) {
      const isShown = (!of || of.includes(rule.watch)) && (!when || when(rule));
      $(`[name="${name}"]`, this.#fields).closest("label").hidden = !isShown;
    }
  }

  /** What the form says; the rest of a rule stays, and fields that are empty or make no sense are cleared. */
  #draft() {
    const read = this.#form.read();
    const isShown = (name) => !$(`[name="${name}"]`, this.#fields).closest("label").hidden;
    const said = Object.keys(FIELDS).map((name) => [name, isShown(name) ? read[name] ?? null : null]);
    const draft = { ...this.#rule, ...Object.fromEntries(said) };
    for (const name of ["title", "message"]) draft[name] ??= undefined; // left out, they have defaults
    if (draft.threshold_series && draft.threshold !== null) draft.threshold_series = null;
    return draft;
  }

  async #save() {
    const draft = this.#draft(), id = this.#rule?.id;
    await (id ? this.#app.api.send("PUT", `api/rules/${encodeURIComponent(id)}`, draft) : this.#app.api.post("api/rules", draft));
    this.#dialog.close();
    this.#saved();
  }

  async #test() {
    const alert = $("[role=alert]", this.#dialog), seconds = Number($("select[name=past]", this.#dialog).value);
    alert.textContent = "";
    $("#tested").replaceChildren("Testing…");
    try {
      const start_time = rfc3339(this.#app.now() - seconds * 1000);
      $("#tested").replaceChildren(...told(await this.#app.api.post("api/rules/test", { rule: this.#draft(), start_time })));
    } catch (error) {
      $("#tested").replaceChildren();
      alert.textContent = error.message;
    }
  }
}

/** What a rule would have done. */
function told({ changes, fired, firing, values, error }) {
  const rows = changes.slice(0, SHOWN).map(({ at, change, title, value }) => el("li", {}, el("time", { datetime: at }, time(at)),
    ` ${change === "fired" ? "▲ fired" : "✓ recovered"}: ${title} (${number(value)})`));
  const alerts = `${fired} ${fired === 1 ? "alert" : "alerts"}`;
  return [
    el("p", {}, `It would have raised ${alerts} from ${values} values; ${firing} would fire now.`),
    error ? el("p", { class: "missing" }, error) : null,
    el("ol", { class: "scroll", tabindex: "0" }, ...rows),
  ].filter(Boolean);
}
