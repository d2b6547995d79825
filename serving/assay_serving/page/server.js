// What the page asks of the server, and the token that goes with it: kept in this tab, sent to this server alone.

const TOKEN = "assay-token";
const KEY = crypto.getRandomValues(new Uint32Array(2)).join("-"); // one key, one version: a canary answers it whole, or not at all

export const base = new URL(".", document.baseURI);

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** An answer that is no answer: `status` of HTTP (0 when nothing came), and what the server said. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** Ask for JSON; returns {body, headers, ms}, or throws a Refusal. */
export async function ask(method, path, body, headers = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const sent = {...headers, ...(token === null ? {} : {Authorization: `Bearer ${token}`})};
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const started = performance.now();
  let answer, text;
  try {
    answer = await fetch(new URL(path, base), {method, headers: sent, body: body && JSON.stringify(body)});
    text = await answer.text();
  } catch {
    throw new Refusal(0, "The server did not answer. Is it still running?");
  }
  const ms = performance.now() - started;
  const parsed = json(text);
  if (!answer.ok) throw new Refusal(answer.status, parsed?.error ?? `The server answered ${answer.status}.`);
  return {body: parsed, headers: answer.headers, ms};
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const model = (name) => `v2/models/${encodeURIComponent(name)}`;

/** The names of the models that answer. */
export async function modelNames() {
  const {body} = await ask("POST", "v2/repository/index", {});
  return [...new Set(body.filter((entry) => entry.state === "READY").map((entry) => entry.name))];
}

export const cardOf = async (name) => (await ask("GET", `${model(name)}/card`)).body;

/** The path and the body of a question about rows; what the page sends is what it shows as code. */
export function question(name, rows, verb = "predict") {
  return {path: `v1/models/${encodeURIComponent(name)}:${verb}`, body: {instances: rows}};
}

async function asked(name, rows, verb) {
  const {path, body} = question(name, rows, verb);
  return ask("POST", path, body, {"x-assay-key": KEY});
}

export const predict = (name, rows) => asked(name, rows, "predict");
export const explain = (name, rows) => asked(name, rows, "explain");
