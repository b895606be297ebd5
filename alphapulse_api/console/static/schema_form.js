// A form for the parameters of a command, made from their JSON Schema.

import { el, options } from "./dom.js";
import { words } from "./format.js";

const NUMBERS = { integer: 1, number: "any" }; // by type, the step of the input

/** Inputs for the properties of a schema. @returns {{nodes: Node[], read: () => object}} `read` throws for what is no JSON */
export function schemaForm(schema) {
  const properties = Object.entries(schema?.properties ?? {});
  const required = new Set(schema?.required ?? []);
  const fields = properties.map(([name, property]) => field(name, property, required.has(name)));
  const read = () => Object.fromEntries(
    fields.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));
  return { nodes: fields.map(({ node }) => node), read };
}

function field(name, property, isRequired) {
  const { type, title, description } = property;
  const make = property.enum ? choice : type === "boolean" ? box : type in NUMBERS ? figure : type === "string" ? line : json;
  const { input, value } = make(property, isRequired);
  input.name = name;
  const hint = description ? el("small", {}, description) : null;
  const caption = `${title ?? words(name)}${isRequired ? "" : " (optional)"}`;
  return { name, value, node: el("label", {}, caption, input, hint) };
}

/** A value that is left out where nothing was entered. */
const unlessEmpty = (input, read) => () => (input.value === "" ? undefined : read(input.value));

function choice({ enum: values, default: preset }, isRequired) {
  const none = isRequired && preset === undefined ? [] : [["", "–"]];
  const entries = values.map((value, n) => [String(n), String(value)]);
  const input = options(el("select"), [...none, ...entries], String(values.indexOf(preset)));
  return { input, value: unlessEmpty(input, (n) => values[n]) };
}

function box({ default: preset }) {
  const input = el("input", { type: "checkbox", checked: preset === true });
  return { input, value: () => input.checked };
}

function figure({ type, minimum, maximum, default: preset }, required) {
  const input = el("input", { type: "number", step: NUMBERS[type], min: minimum, max: maximum, value: preset, required });
  return { input, value: unlessEmpty(input, Number) };
}

function line({ maxLength, default: preset }, required) {
  const input = el("input", { type: "text", maxlength: maxLength, value: preset, required, autocomplete: "off" });
  return { input, value: unlessEmpty(input, String) };
}

function json({ default: preset }, required) {
  const input = el("textarea", { rows: 3, required, placeholder: "JSON" });
  input.value = preset === undefined ? "" : JSON.stringify(preset);
  return { input, value: unlessEmpty(input, JSON.parse) };
}
