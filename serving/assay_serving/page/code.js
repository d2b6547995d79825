// The question that the form asks, as text to copy: curl for a shell, Python with httpx.

import {base, hasToken, question} from "./server.js";

const VARIABLE = "ASSAY_SERVE_TOKEN";

/** The languages, and how each writes the question about rows. */
export const LANGUAGES = {curl, Python: python};

function curl(name, rows) {
  const {path, body} = question(name, rows);
  const token = hasToken() ? ` \\\n  -H "Authorization: Bearer $${VARIABLE}"` : "";
  return `curl -sS ${quoted(String(new URL(path, base)))} \\\n  -H 'Content-Type: application/json'${token} \\\n  --data-binary @- <<'JSON'\n${laidOut(body)}\nJSON\n`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** JSON with a line for each value of the first row, or for each row of several. */
function laidOut(body) {
  const [key, rows] = Object.entries(body)[0];
  if (rows.length > 1) return `{"${key}": [\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]}`;
  const values = Object.entries(rows[0]).map(([column, value]) => `  ${JSON.stringify(column)}: ${JSON.stringify(value)}`);
  return `{"${key}": [{\n${values.join(",\n")}\n}]}`;
}

function python(name, rows) {
  const {path, body} = question(name, rows);
  const [key] = Object.keys(body);
  const token = hasToken() ? `    headers={"Authorization": "Bearer " + os.environ["${VARIABLE}"]},\n` : "";
  return `${hasToken() ? "import os\n\n" : ""}import httpx\n\nrows = ${pythonRows(rows)}\nanswer = httpx.post(\n` +
    `    ${literal(String(new URL(path, base)))},\n    json={${literal(key)}: rows},\n${token}    timeout=60,\n)\n` +
    `print(answer.raise_for_status().json()["predictions"])\n`;
}

function pythonRows(rows) {
  if (rows.length > 1) return `[\n${rows.map((row) => `    ${literal(row)},`).join("\n")}\n]`;
  const values = Object.entries(rows[0]).map(([column, value]) => `    ${literal(column)}: ${literal(value)},`);
  return `[{\n${values.join("\n")}\n}]`;
}

/** A value of JSON as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, inner]) => `${literal(key)}: ${literal(inner)}`).join(", ")}}`;
  return JSON.stringify(value); // text and numbers: Python reads JSON's escapes as JSON does
}
