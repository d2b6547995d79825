// One field of the form for each column, by its kind: {element, value(), set(value), say(error)}.

import {el, number, percent} from "./dom.js";
import {plot} from "./plot.js";

const NUMBER = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const MOST_OPTIONS = 60; // levels in a list that opens whole; more are looked for by typing
const OTHER = "\u0000other"; // no level holds this character

/** Make the field of a column; `changed` is called whenever its value is another. */
export function field(column, index, changed) {
  const id = `field-${index}`;
  const error = el("p", {class: "error", id: `${id}-error`});
  const made = (MAKERS[column.kind] ?? plainText)(column, id, changed);
  made.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  const element = el("div", {class: `field ${column.kind}`},
    el("label", {for: id}, column.name),
    el("p", {class: "hint", id: `${id}-hint`}, hint(column)),
    made.element ?? made.input, error);
  return {...made, element, column, say: (text) => say(made.input, error, text)};
}

function say(input, error, text) {
  error.textContent = text ?? "";
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function hint(column) {
  const parts = [KINDS[column.kind]?.(column) ?? column.kind];
  if (column.missing > 0 && column.nullable) parts.push(`${percent(column.missing)} missing`);
  return parts.join(", ");
}

const KINDS = {
  numeric: ({low, high, whole}) =>
    low === null || low === undefined ? "number" : `${whole ? "whole number" : "number"}, ${number(low, 4)} to ${number(high, 4)}`,
  boolean: () => "true or false",
  category: ({num_levels: levels}) => (levels === 1 ? "1 level" : `${levels} levels`),
  datetime: () => "date or time, ISO 8601",
  text: () => "text",
  image: ({shape: [height, width, channels]}) => `image, seen as ${width} × ${height} pixels, ${channels === 1 ? "grey" : "colour"}`,
  series: ({shape: [steps, channels]}) =>
    `series as JSON, up to ${steps} steps` + (channels > 1 ? ` of ${channels} numbers` : ""),
};

const MAKERS = {numeric, boolean, category, text, image, series, datetime: plainText};

function typed(input, read, changed) {
  input.addEventListener("input", changed);
  return {input, value: () => read(input.value), set: (value) => { input.value = value ?? ""; }};
}

const orNothing = (value) => (value.trim() === "" ? null : value);
const missing = {placeholder: "missing", spellcheck: "false", autocomplete: "off"};

function numeric(column, id, changed) {
  // What is no number is sent as it stands: the server says what it expects, and where.
  const read = (value) => (NUMBER.test(value.trim()) ? Number(value) : orNothing(value));
  return typed(el("input", {id, inputmode: "decimal", ...missing}), read, changed);
}

function plainText(column, id, changed) {
  return typed(el("input", {id, ...missing}), orNothing, changed);
}

function text(column, id, changed) {
  return typed(el("textarea", {id, rows: 5, ...missing, spellcheck: "true"}), orNothing, changed);
}

function boolean(column, id, changed) {
  const input = el("select", {id, onchange: changed},
    el("option", {value: "true"}, "true"), el("option", {value: "false"}, "false"), el("option", {value: ""}, "missing"));
  const read = () => (input.value === "" ? null : input.value === "true");
  return {input, value: read, set: (value) => { input.value = value === null || value === undefined ? "" : String(value); }};
}

function category(column, id, changed) {
  if (column.num_levels > MOST_OPTIONS) return searched(column, id, changed);
  const other = el("input", {"aria-label": `another value of ${column.name}`, hidden: true, ...missing, oninput: changed});
  const input = el("select", {id},
    column.levels.map((level) => el("option", {value: level}, level)),
    el("option", {value: ""}, "missing"), el("option", {value: OTHER}, "another value …"));
  input.addEventListener("change", () => {
    other.hidden = input.value !== OTHER;
    if (!other.hidden) other.focus();
    changed();
  });
  const set = (value) => {
    const listed = value === null || value === undefined || column.levels.includes(String(value));
    input.value = listed ? String(value ?? "") : OTHER;
    other.value = listed ? "" : String(value);
    other.hidden = listed;
  };
  return {input, element: el("div", {class: "stack"}, input, other), set, value: () => orNothing(input.value === OTHER ? other.value : input.value)};
}

function searched(column, id, changed) {
  const list = el("datalist", {id: `${id}-levels`}, column.levels.map((level) => el("option", {value: level})));
  const made = typed(el("input", {id, list: list.id, ...missing}), orNothing, changed);
  return {...made, element: el("div", {class: "stack"}, made.input, list)};
}

function image(column, id, changed) {
  const preview = el("img", {class: "preview", alt: ""});
  const input = el("input", {id, type: "file", accept: "image/*"});
  let content = null;
  const show = (text, url) => {
    content = text;
    preview.src = url;
    changed();
  };
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (!file) return;
    const reader = new FileReader();
    reader.onload = () => show(reader.result.split(",")[1] ?? "", reader.result);
    reader.readAsDataURL(file);
  });
  preview.addEventListener("load", () => preview.classList.toggle("small", preview.naturalWidth <= 96));
  const set = (value) => {
    input.value = "";
    show(value, `data:image/png;base64,${value ?? ""}`);
  };
  return {input, element: el("div", {class: "image-pair"}, preview, input), value: () => content, set};
}

function series(column, id, changed) {
  const picture = el("div", {class: "plot"});
  const input = el("textarea", {id, rows: 4, class: "code", ...missing});
  const read = () => {
    try {
      return JSON.parse(input.value);
    } catch {
      return orNothing(input.value); // the server says that it is no list
    }
  };
  const draw = () => picture.replaceChildren(...plot(lines(read()), `the series of ${column.name}`));
  input.addEventListener("input", () => { draw(); changed(); });
  const set = (value) => {
    input.value = JSON.stringify(value);
    draw();
  };
  return {input, element: el("div", {class: "stack"}, input, picture), value: read, set};
}

/** The lines of a series: one for each channel. */
function lines(value) {
  if (!Array.isArray(value) || !value.length) return [];
  const steps = value.map((step) => (Array.isArray(step) ? step : [step]));
  return steps[0].map((_, channel) => ({points: steps.map((step, place) => [place, step[channel]])}));
}
