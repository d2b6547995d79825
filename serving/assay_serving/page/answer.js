// What the model answered: the prediction, how probable each class is, and what each column added to it.

import {byId, counted, el, number, probability, put} from "./dom.js";
import {balance, bars, plot} from "./plot.js";
import {labelled, picture} from "./places.js";

const MOST = 12; // bars that are shown one by one

/** Show an answer; `asked` are the rows it is about. */
export function showAnswer(card, {body, headers, ms}, asked) {
  const records = body.predictions;
  const degraded = body.degraded || headers.get("x-assay-degraded");
  put(byId("answer"),
    degraded ? el("p", {class: "notice"}, "Degraded: some members of the model did not answer in time, and this answer is without them.") : null,
    card.forecast ? forecast(card, records, asked) : prediction(card, records[0]),
    el("p", {class: "meta"}, meta(headers, ms)));
  put(byId("reasons"));
}

function meta(headers, ms) {
  const version = headers.get("x-assay-version"), request = headers.get("x-request-id");
  return [`${number(Math.max(1, Math.round(ms)))} ms`, version ? `version ${version}` : null, request ? `request ${request}` : null]
    .filter(Boolean).join(" · ");
}

function prediction(card, record) {
  const said = el("p", {class: "said"}, el("span", {class: "soft"}, card.label), el("output", {}, shown(record.prediction)));
  if (!card.classes.length) return [said];
  const entries = card.classes
    .map((name) => ({label: name, share: record[`probability_${name}`], strong: name === record.prediction}))
    .map((entry) => ({...entry, shown: probability(entry.share)}))
    .sort((left, right) => right.share - left.share);
  const rest = entries.length - MOST;
  const note = entries[0].label === record.prediction ? null
    : el("p", {class: "hint"}, "The answer follows the threshold that the model learned, not the largest probability.");
  return [said, bars(entries.slice(0, MOST), "Probability of each class"), note,
    rest > 0 ? el("p", {class: "hint"}, `and ${rest} less probable classes`) : null];
}

const shown = (value) => (typeof value === "number" ? number(value) : String(value));

function forecast(card, records, asked) {
  const {time, series} = card.forecast;
  const names = [...series, time, "prediction"];
  const name = (row) => series.map((column) => row[column]).join(" / ");
  const first = records.length ? name(records[0]) : "";
  const known = asked.filter((row) => name(row) === first && typeof row[card.label] === "number").map((row) => row[card.label]);
  const told = records.filter((record) => name(record) === first).map((record) => record.prediction);
  const start = known.length - 1;
  const lines = [
    {points: known.map((value, place) => [place, value]), class: "line-0"},
    {points: [known[start], ...told].map((value, place) => [start + place, value]), class: "line-1"},
  ];
  return [
    el("p", {class: "said"}, el("span", {class: "soft"}, card.label), el("output", {}, counted(records.length, "step"))),
    el("div", {class: "plot tall"}, plot(lines, `the history and the forecast of ${card.label}${first && ` of ${first}`}`)),
    el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Forecast"}, el("table", {},
      el("thead", {}, el("tr", {}, names.map((column) => el("th", {scope: "col"}, column === "prediction" ? card.label : column)))),
      el("tbody", {}, records.map((record) => el("tr", {}, names.map((column) =>
        el("td", {class: column === "prediction" ? "number" : null}, shown(record[column])))))))),
  ];
}

/** Say that the explanation is on its way, so that nothing jumps when it comes. */
export function awaitReasons() {
  put(byId("reasons"), el("h3", {}, "Why"), el("p", {class: "soft"}, "Asking what each column added …"));
}

/** Say why there is no explanation. */
export function noReasons(refusal) {
  const text = refusal.status === 404 ? "This server does not explain answers." : refusal.message;
  put(byId("reasons"), el("h3", {}, "Why"), el("p", {class: "soft"}, text));
}

/** Show what each column, word or patch of a row added to the answer, the most first; of a forecast for one step. */
export function showReasons(card, {body}, row, place = 0) {
  const {base, value, of, scale, contributions} = body.explanations[place];
  const said = (amount) => (scale === "probability" ? probability(amount) : number(amount, 4));
  const signed = (amount) => (amount >= 0 ? "+" : "−") + (scale === "probability" ? points(Math.abs(amount)) : number(Math.abs(amount), 3));
  const entries = contributions.slice(0, MOST).map((one) => (
    {...labelled(card, one, brief(one.value)), amount: one.contribution, shown: signed(one.contribution), error: one.standard_error && signed(one.standard_error).slice(1)}));
  const rest = contributions.slice(MOST);
  if (rest.length) {
    const amount = rest.reduce((sum, one) => sum + one.contribution, 0);
    entries.push({label: `${rest.length} more`, amount, shown: signed(amount)});
  }
  const unit = scale === "probability" ? " Bars are percentage points." : "";
  put(byId("reasons"), el("div", {class: "why"}, el("h3", {}, "Why"), steps(card, body, row, place)),
    el("p", {class: "hint"}, `On average the model says ${said(base)}${of === null || of === undefined ? "" : ` for ${of}`}; here it comes to ${said(value)}.${unit}`),
    picture(card, contributions, row),
    balance(entries, "What each column added"));
}

/** A list of the steps of a forecast, to choose the one that is explained; null where there is one answer. */
function steps(card, body, row, place) {
  if (body.explanations.length < 2) return null;
  const choose = ({target}) => {
    showReasons(card, {body}, row, Number(target.value));
    byId("reasons").querySelector("select").focus();
  };
  return el("select", {"aria-label": "Step that is explained", onchange: choose}, body.explanations.map(({at}, index) =>
    el("option", {value: index, selected: index === place}, Object.values(at ?? {}).join(", ") || `step ${index + 1}`)));
}

const points = (share) => (100 * share).toLocaleString("en", {minimumFractionDigits: 1, maximumFractionDigits: 1});

function brief(value) {
  if (value === null || value === undefined) return undefined;
  const text = typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
