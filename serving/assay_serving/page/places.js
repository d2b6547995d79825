// Where in a text or an image the reasons lie: columns that are named with a place, such as said[3:9] or photo[0:4, 4:8].

import {el, svg} from "./dom.js";

const PLACE = /^(.*)\[(\d+):(\d+)(?:, (\d+):(\d+))?\]$/s;

/** The parts of a contribution that lies within a column of a kind; null for one of a whole column. */
function within(card, {column}, kind) {
  const found = PLACE.exec(column);
  if (!found || !card.columns.some((known) => known.kind === kind && known.name === found[1])) return null;
  return {name: found[1], ends: found.slice(2).map(Number)};
}

/** The label of a bar: a word stands for itself. */
export function labelled(card, one, detail) {
  return within(card, one, "text") && detail !== undefined ? {label: detail} : {label: one.column, detail};
}

/** The text with its words, or the image with its patches, as strong in colour as what they added; null for other rows. */
export function picture(card, contributions, row) {
  const most = Math.max(...contributions.map(({contribution}) => Math.abs(contribution)), 1e-300);
  for (const [kind, draw] of [["text", text], ["image", image]]) {
    const parts = contributions.map((one) => ({...within(card, one, kind), amount: one.contribution / most})).filter(({name}) => name !== undefined);
    if (parts.length && row?.[parts[0].name]) return draw(card, parts.filter(({name}) => name === parts[0].name), row[parts[0].name]);
  }
  return null;
}

function shade(node, amount) {
  node.style.setProperty("--strength", `${Math.round(70 * Math.abs(amount))}%`);
  return node;
}

const side = (amount) => (amount >= 0 ? "up" : "down");

function text(card, parts, whole) {
  const letters = [...whole.trim()]; // places count characters, not the halves of which JavaScript makes some
  const pieces = [];
  let done = 0;
  for (const {ends: [start, end], amount} of [...parts].sort((left, right) => left.ends[0] - right.ends[0])) {
    pieces.push(letters.slice(done, start).join(""), shade(el("mark", {class: side(amount)}, letters.slice(start, end).join("")), amount));
    done = end;
  }
  return el("p", {class: "shaded"}, pieces, letters.slice(done).join(""));
}

function image(card, parts, content) {
  const [height, width] = card.columns.find((column) => column.name === parts[0].name).shape;
  const patches = parts.map(({ends: [top, bottom, left, right], amount}) =>
    shade(svg("rect", {x: left, y: top, width: right - left, height: bottom - top, class: side(amount)}), amount));
  return svg("svg", {viewBox: `0 0 ${width} ${height}`, class: "patches", role: "img", "aria-label": "What each patch of the image added"},
    svg("image", {href: `data:image/png;base64,${content}`, width, height, preserveAspectRatio: "none"}), patches);
}
