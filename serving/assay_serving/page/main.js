// Puts the page together: which model, its card, its form, and what happens when somebody asks.

import {awaitReasons, noReasons, showAnswer, showReasons} from "./answer.js";
import {showCard, showHead} from "./card.js";
import {LANGUAGES} from "./code.js";
import {byId, el, put} from "./dom.js";
import {form} from "./form.js";
import * as server from "./server.js";

const SETTLE_MS = 150; // after the last key, before the code is written anew
const state = {card: null, form: null, example: 0, language: "curl", asked: 0, answered: false};

async function start() {
  byId("problem").hidden = true;
  try {
    const names = await server.modelNames();
    if (!names.length) throw new server.Refusal(0, "No model answers here yet.");
    byId("token-form").hidden = true;
    byId("forget").hidden = !server.hasToken();
    byId("choose").hidden = names.length < 2;
    put(byId("models"), names.map((name) => el("option", {value: name}, name)));
    const wanted = decodeURIComponent(location.hash.slice(1));
    await open(names.includes(wanted) ? wanted : names[0]);
  } catch (error) {
    refused(error);
  }
}

async function open(name) {
  const card = await server.cardOf(name);
  Object.assign(state, {card, example: 0, asked: state.asked + 1});
  byId("models").value = name;
  showHead(card);
  showCard(card);
  const write = later(writeCode);
  state.form = form(card, () => { byId("stale").hidden = !state.answered; write(); });
  byId("problem").hidden = true;
  byId("model").hidden = false;
  showExample();
}

function showExample() {
  const {from, requests} = state.card.example;
  const many = requests.length > 1;
  const training = state.card.forecast ? "The newest training rows of one series." : `Row ${state.example + 1} of ${requests.length} from the training data.`;
  byId("source").textContent = {
    training: many || state.card.forecast ? training : "A row of the training data.",
    typical: "Typical values: medians and the most frequent levels. This model was packed without a row.",
    "": "This model was packed without rows. Put the history in here.",
  }[from];
  byId("next").hidden = !many;
  showNothing("Press Predict to ask the model.");
  state.form.set(requests[state.example] ?? []);
  state.asked += 1; // an answer that is on its way is to other values
  sayError(null);
  writeCode();
}

function refused(error) {
  if (!(error instanceof server.Refusal)) throw error;
  if (error.status === 401) {
    byId("model").hidden = true;
    byId("forget").hidden = true;
    byId("token-form").hidden = false;
    byId("token-error").textContent = server.hasToken() ? "The server does not know this token." : "";
    server.forgetToken();
    byId("token").focus();
    return;
  }
  const problem = byId("problem");
  problem.textContent = error.message;
  problem.hidden = false;
  byId("forget").hidden = !server.hasToken();
}

async function predict() {
  const {card} = state, turn = ++state.asked;
  const button = byId("predict");
  let rows;
  sayError(null);
  try {
    rows = state.form.rows();
  } catch (error) {
    sayError(`The history is not JSON: ${error.message}`);
    return;
  }
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await server.predict(card.name, rows);
    if (turn !== state.asked) return; // somebody asked again, or chose another model
    state.answered = true;
    byId("stale").hidden = true;
    inView(() => { showAnswer(card, answer, rows); awaitReasons(); }, true);
    await explain(card, rows, turn);
  } catch (error) {
    if (!(error instanceof server.Refusal)) throw error;
    if (error.status === 401) refused(error);
    else if (turn === state.asked) sayError(error.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Show something in the answer, and keep its beginning in view: on a narrow screen it stands under the form. */
function inView(show, wasSeen = answerIsSeen()) {
  show();
  if (!wasSeen || answerIsSeen()) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("answer-title").scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
}

function answerIsSeen() {
  const {top, bottom} = byId("answer-title").getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}

async function explain(card, rows, turn) {
  try {
    const answer = await server.explain(card.name, rows);
    if (turn === state.asked) inView(() => showReasons(card, answer, rows[0]));
  } catch (error) {
    if (!(error instanceof server.Refusal)) throw error;
    if (turn === state.asked) inView(() => noReasons(error));
  }
}

/** Show an error at the columns it names, and the rest of it above the form. */
function sayError(text) {
  const left = state.form.say(text);
  const shown = byId("form-error");
  shown.textContent = left.join("\n");
  shown.hidden = !left.length;
  if (text) showNothing("There is no answer: the server refused the question.");
}

function showNothing(text) {
  state.answered = false;
  byId("stale").hidden = true;
  put(byId("answer"), el("p", {class: "soft"}, text));
  put(byId("reasons"));
}

function writeCode() {
  let text;
  try {
    text = LANGUAGES[state.language](state.card.name, state.form.rows());
  } catch {
    text = "The history is not JSON.";
  }
  byId("code").textContent = text;
}

function chooseLanguage(language) {
  state.language = language;
  for (const tab of byId("tabs").children) {
    tab.setAttribute("aria-selected", String(tab.textContent === language));
    tab.tabIndex = tab.textContent === language ? 0 : -1;
  }
  byId("code").setAttribute("aria-labelledby", `tab-${language}`);
  if (state.card) writeCode();
}

async function copy() {
  const code = byId("code"), button = byId("copy");
  getSelection().selectAllChildren(code); // where the clipboard is closed to us, the text is at least marked
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2_000);
}

function later(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, SETTLE_MS);
  };
}

put(byId("tabs"), Object.keys(LANGUAGES).map((language) =>
  el("button", {type: "button", role: "tab", id: `tab-${language}`, "aria-controls": "code", onclick: () => chooseLanguage(language)}, language)));
byId("tabs").addEventListener("keydown", ({key}) => {
  if (key !== "ArrowLeft" && key !== "ArrowRight") return;
  const names = Object.keys(LANGUAGES);
  chooseLanguage(names[(names.indexOf(state.language) + 1) % names.length]);
  byId(`tab-${state.language}`).focus();
});
chooseLanguage(state.language);
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("form").focus(); }); // the hash names a model
byId("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
byId("next").addEventListener("click", () => { state.example = (state.example + 1) % state.card.example.requests.length; showExample(); });
byId("copy").addEventListener("click", copy);
byId("models").addEventListener("change", ({target}) => { location.hash = encodeURIComponent(target.value); });
addEventListener("hashchange", () => open(decodeURIComponent(location.hash.slice(1))).catch(refused));
byId("forget").addEventListener("click", () => { server.forgetToken(); start(); });
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  server.keepToken(byId("token").value.trim());
  byId("token").value = "";
  start();
});
start();
