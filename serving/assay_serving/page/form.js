// The form of a model: a field for each column, or for a forecast the rows of its history as JSON.

import {byId, el, put} from "./dom.js";
import {field} from "./fields.js";
import {plot} from "./plot.js";

const MANY = 24; // columns from which a field helps to find one

/** Make the form of a card: {rows(), set(rows), say(error), history()}; `changed` is called when a value is another. */
export function form(card, changed) {
  const made = card.forecast ? historyForm(card, changed) : rowForm(card, changed);
  put(byId("fields"), made.elements);
  byId("find").hidden = card.forecast !== null || card.columns.length < MANY;
  byId("empty-note").hidden = card.forecast !== null || !card.columns.some((column) => column.nullable);
  return made;
}

function rowForm(card, changed) {
  const fields = card.columns.map((column, index) => field(column, index, changed));
  byId("find").oninput = ({target}) => {
    const wanted = target.value.toLowerCase();
    for (const one of fields) one.element.hidden = !one.column.name.toLowerCase().includes(wanted);
  };
  return {
    elements: fields.map((one) => one.element),
    rows: () => [Object.fromEntries(fields.map((one) => [one.column.name, one.value()]))],
    set: ([row]) => fields.forEach((one) => { one.set(row?.[one.column.name] ?? null); one.say(null); }),
    say: (error) => sayAtColumns(fields, error),
    history: () => null,
  };
}

/** Show each line of an error at the column it names; returns the lines that name none. */
function sayAtColumns(fields, error) {
  const left = [];
  for (const one of fields) one.say(null);
  for (const line of (error ?? "").split("\n").filter(Boolean)) {
    const one = fields.find(({column}) => line.startsWith(`column '${column.name}': `));
    if (one) one.say(sentence(line.slice(`column '${one.column.name}': `.length)));
    else left.push(line);
  }
  const first = fields.find((one) => one.input.hasAttribute("aria-invalid"));
  if (first) {
    first.element.hidden = false;
    first.input.focus();
  }
  return left;
}

const sentence = (text) => text.replace(/ in row 0\b/, "").replace(/^./, (letter) => letter.toUpperCase());

function historyForm(card, changed) {
  const {time, series} = card.forecast;
  const picture = el("div", {class: "plot"});
  const input = el("textarea", {id: "field-0", rows: 14, class: "code", spellcheck: "false", "aria-describedby": "field-0-hint field-0-error"});
  const error = el("p", {class: "error", id: "field-0-error"});
  const read = () => {
    const found = JSON.parse(input.value);
    if (!Array.isArray(found)) throw new SyntaxError("expected a list of rows");
    return found;
  };
  const history = () => {
    try {
      return read();
    } catch {
      return [];
    }
  };
  const draw = () => put(picture, plot([{points: history().map((row, place) => [place, row?.[card.label]]), class: "line-0"}], `the history of ${card.label}`));
  input.addEventListener("input", () => { draw(); changed(); });
  const said = `Rows in order of ${time}` + (series.length ? `, series told apart by ${series.join(", ")}` : "") +
    `; ${card.label} is null in the rows to come.`;
  return {
    elements: [el("div", {class: "field series"}, el("label", {for: "field-0"}, "History"), el("p", {class: "hint", id: "field-0-hint"}, said), input, error, picture)],
    rows: read,
    set: (rows) => {
      input.value = `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]`;
      error.textContent = "";
      draw();
    },
    say: (text) => { error.textContent = text ?? ""; return []; },
    history,
  };
}
