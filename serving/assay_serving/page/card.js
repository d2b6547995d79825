// What is known of a model: the sentence and the facts at the top, and the whole card at the end.

import {byId, counted, el, number, percent, put} from "./dom.js";

const SHOWN_CLASSES = 20;

/** Show the name, the versions and what the model is for. */
export function showHead(card) {
  document.title = `${card.name} · assay`;
  byId("name").textContent = card.name;
  put(byId("roles"), roles(card.release).map(([version, role]) => el("li", {class: role.split(",")[0]}, el("b", {}, `version ${version}`), ` ${role}`)));
  put(byId("lead"), lead(card));
  put(byId("facts"), facts(card).map(([value, name, note]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null))));
}

function roles({champion, canary, canary_share: share, shadow}) {
  const found = [[champion, "champion"]];
  if (canary) found.push([canary, `canary, answers ${percent(share)} of the keys`]);
  if (shadow) found.push([shadow, "shadow, watches and never answers"]);
  return found;
}

function lead(card) {
  const label = el("b", {}, card.label);
  if (card.forecast) {
    const {horizon, time, fewest, series} = card.forecast;
    const each = series.length ? ` of each series, told apart by ${series.join(", ")}` : "";
    return ["Forecasts ", label, ` for the next ${horizon} steps of ${time}, from a history of ${fewest} values or more${each}.`];
  }
  const [first] = card.columns;
  const from = card.columns.length === 1
    ? [` from the ${WORDS[first.kind] ?? "column"} `, el("b", {}, first.name), "."] : [` from ${counted(card.columns.length, "column")}.`];
  if (!card.classes.length) return ["Predicts the number ", label, ...from];
  const shown = card.classes.slice(0, 6).join(", ") + (card.classes.length > 6 ? ", …" : "");
  return ["Predicts ", label, ` (${shown})`, ...from];
}

const WORDS = {text: "text", image: "image", series: "series"};

function facts(card) {
  const test = card.metric && card.test[card.metric];
  const score = test || (card.out_of_fold?.score !== undefined ? card.out_of_fold : null);
  const found = [];
  if (score) {
    const where = test ? `on ${counted(card.test_rows, "test row")}` : "out of fold";
    found.push([number(score.score, 4), card.metric, `${interval(score)} ${where}`]);
  }
  found.push([number(card.train_rows), "training rows", card.forecast ? "one for each origin and step" : kinds(card)]);
  found.push([madeBy(card), "made by", card.ensemble ? counted(new Set(card.members.map(({name}) => name)).size, "member") : null]);
  found.push([day(card.created), "trained", card.experiment ? `experiment ${card.experiment}` : null]);
  return found;
}

const interval = ({low, high}) => (low === null || low === undefined ? "" : `${number(low, 4)} to ${number(high, 4)},`);

const madeBy = (card) => card.ensemble ?? card.members[0]?.algorithm.split(/[.:]/).at(-1) ?? "–";

/** "14 columns: 6 numeric, 8 category". */
function kinds({columns}) {
  const counts = new Map();
  for (const {kind} of columns) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  if (columns.length === 1) return `1 column, ${columns[0].kind}`;
  return `${counted(columns.length, "column")}: ${[...counts].map(([kind, count]) => `${count} ${kind}`).join(", ")}`;
}

function day(moment) {
  return new Date(moment).toLocaleDateString("en-GB", {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
}

/** Show the whole card. */
export function showCard(card) {
  put(byId("card"),
    block("Model", rows([
      ["Made by", madeBy(card)],
      ["Members", card.members.length ? el("ul", {class: "plain"}, tally(card.members).map((text) => el("li", {}, text))) : null],
      ["Kind of rows", card.kind],
      ["Task", card.task],
      ["Classes", card.classes.length ? classes(card) : null],
    ])),
    Object.keys(card.test).length ? block(`Scores on ${counted(card.test_rows, "test row")}`, scores(card)) : null,
    block("Where it comes from", rows([
      ["Experiment", card.experiment], ["Run", card.run], ["Seed", card.seed],
      ["Packed", card.created], ["Size", `${number(card.size_bytes / 1e6, 3)} MB`],
      ["Digest", el("code", {class: "digest"}, card.digest)],
    ])),
    block("Made with", rows([["python", card.python], ...Object.entries(card.libraries)])));
}

const block = (title, content) => el("div", {}, el("h3", {}, title), content);

function rows(pairs) {
  return el("dl", {class: "pairs"}, pairs.filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value instanceof Node ? value : String(value))]));
}

/** Members by name; those of one name are averaged. */
function tally(members) {
  const counts = new Map();
  for (const {name} of members) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} × ${count}` : name));
}

function classes(card) {
  const entries = card.classes.map((name, place) => `${name}: ${counted(card.class_counts[place], "row")}`);
  const rest = entries.length - SHOWN_CLASSES;
  const shown = rest > 0 ? [...entries.slice(0, SHOWN_CLASSES), `and ${rest} more`] : entries;
  return el("ul", {class: "plain"}, shown.map((text) => el("li", {}, text)));
}

function scores(card) {
  return el("table", {}, el("thead", {}, el("tr", {}, ["metric", "score", "95 % interval"].map((name) => el("th", {scope: "col"}, name)))),
    el("tbody", {}, Object.entries(card.test).map(([name, {score, low, high}]) => el("tr", {class: name === card.metric ? "strong" : null},
      el("td", {}, name), el("td", {class: "number"}, number(score)), el("td", {class: "number"}, low === null ? "–" : `${number(low)} to ${number(high)}`)))));
}
