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

/** The path, the headers and the body of a question about rows; what the page sends is what it shows as code. */
export function question(name, rows) {
  return {path: "invocations", headers: {"x-assay-model": name}, body: {dataframe_records: rows}};
}

export async function predict(name, rows) {
  const {path, headers, body} = question(name, rows);
  return ask("POST", path, body, {...headers, "x-assay-key": KEY});
}

export async function explain(name, rows) {
  return ask("POST", `v1/models/${encodeURIComponent(name)}:explain`, {instances: rows}, {"x-assay-key": KEY});
}
