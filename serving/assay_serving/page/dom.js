// Small ways to make elements. Text is always set as text, never read as markup: rows and levels may hold anything.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `el("p", {class: "soft", onclick: f}, "text", child)`; null children are left out. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an element of SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Replace what an element holds. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** Show a number as people read it: five digits that matter, thousands apart. */
export function number(value, digits = 5) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-4)) return value.toExponential(2);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", {maximumSignificantDigits: Math.max(digits, Math.trunc(size).toString().length)});
}

/** Show a share as a percentage. */
export function percent(share) {
  const shown = 100 * share;
  return `${shown.toLocaleString("en", {maximumFractionDigits: shown > 0 && shown < 10 ? 1 : 0})} %`;
}

/** Show a probability to a tenth of a percent; what is nearly certain is not said to be. */
export function probability(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share < 1 && share > 0.9995) return "> 99.9 %";
  return `${(100 * share).toLocaleString("en", {minimumFractionDigits: 1, maximumFractionDigits: 1})} %`;
}

/** "1 row", "2 rows". */
export const counted = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
