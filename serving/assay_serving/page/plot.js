// Small line plots and bars, drawn without a library.

import {el, number, svg} from "./dom.js";

const WIDTH = 600, HEIGHT = 120, EDGE = 6;

/** Draw lines [{points: [[x, y]], class}] into one picture with its range under it; nothing where nothing is a number. */
export function plot(lines, title) {
  const sound = lines.map((line) => ({...line, points: line.points.filter(([, y]) => typeof y === "number")}));
  const points = sound.flatMap((line) => line.points);
  if (points.length < 2) return [];
  const [left, right] = range(points.map(([x]) => x)), [low, high] = range(points.map(([, y]) => y));
  const place = ([x, y]) => [
    EDGE + ((x - left) / (right - left || 1)) * (WIDTH - 2 * EDGE),
    HEIGHT - EDGE - ((y - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE),
  ].map((value) => value.toFixed(1)).join(",");
  const said = `${number(low, 4)} to ${number(high, 4)}`;
  const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}, ${said}`},
    sound.map((line, index) => svg("polyline", {points: line.points.map(place).join(" "), class: line.class ?? `line-${index % 4}`})));
  return [picture, el("p", {class: "hint"}, said)];
}

function range(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/** A list of bars [{label, share 0 to 1, shown, strong}] that grow from the left. */
export function bars(entries, title) {
  return el("ul", {class: "bars", "aria-label": title}, entries.map(({label, share, shown, strong}) => {
    const fill = el("span", {class: "fill"});
    fill.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
    return el("li", {class: strong ? "strong" : null},
      el("span", {class: "label", title: label}, label), el("span", {class: "track"}, fill), el("span", {class: "shown"}, shown));
  }));
}

/** A list of bars [{label, detail, amount, shown, error}] that grow from the middle, to the right where the amount is positive. */
export function balance(entries, title) {
  const most = Math.max(...entries.map(({amount}) => Math.abs(amount)), 1e-300);
  return el("ul", {class: "bars balance", "aria-label": title}, entries.map(({label, detail, amount, shown, error}) => {
    const fill = el("span", {class: amount >= 0 ? "fill up" : "fill down"});
    fill.style.width = `${(50 * Math.abs(amount)) / most}%`;
    const name = detail === undefined ? label : `${label} = ${detail}`;
    return el("li", {title: `${name}: ${shown}${error ? ` ± ${error}` : ""}`},
      el("span", {class: "label"}, label, detail === undefined ? null : el("span", {class: "soft"}, ` = ${detail}`)),
      el("span", {class: "track"}, fill), el("span", {class: "shown"}, shown));
  }));
}
