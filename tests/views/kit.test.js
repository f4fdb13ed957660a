// The pure functions of the kit, in Node. tests/views/test_kit.py runs this with the fast tests.
import assert from "node:assert/strict";
import { test } from "node:test";

import { colourBar, colourOf, dots, marker, polyline } from "../../lwlr_teach/views/kit/canvas.js";
import { goals, plotAt, pointAt, tableOf } from "../../lwlr_teach/views/kit/chart.js";
import { nearest, toggled, typedNumber } from "../../lwlr_teach/views/kit/controls.js";
import { frame, ticks } from "../../lwlr_teach/views/kit/geometry.js";
import { label, percent, short, tickLabel } from "../../lwlr_teach/views/kit/text.js";

// The same numbers in every run: a failure can be looked at again.
let seed = 1;
function random() {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
}
const between = (low, high) => low + (high - low) * random();
const many = Array.from({ length: 2000 });

function linearAxis() {
  const [width, low] = [10 ** between(-6, 6), between(-3, 3)];
  return { range: [low * width, (low + 1) * width] };
}
function logAxis() {
  const low = 10 ** between(-12, 6);
  return { range: [low, low * 10 ** between(0.05, 20)], log: true };
}

for (const [name, axis] of Object.entries({ linear: linearAxis, logarithmic: logAxis })) {
  test(`ticks of a ${name} axis lie in its range, are not too many, and have labels of their own`, () => {
    for (const _ of many) {
      const [drawn, most] = [axis(), 2 + Math.floor(9 * random())];
      const { range: [low, high], log } = drawn;
      const at = ticks(drawn, most);
      const slack = log ? 1e-8 * high : 1e-8 * (high - low);
      const said = JSON.stringify([drawn, most, at]);
      assert.ok(at.every((v) => v >= low - slack && v <= high + slack), said);
      assert.ok(at.every((v, i) => i === 0 || v > at[i - 1]), said);
      // A short logarithmic axis has 2 and 5 besides, in at most two decades.
      assert.ok(at.length <= (log ? Math.max(most, 6) : most + 1), said);
      if (!log) assert.ok(at.length >= 1, said);
      const labels = at.map((v) => tickLabel(v, drawn));
      assert.equal(new Set(labels).size, labels.length, `${said} ${labels}`);
    }
  });

  test(`a frame with a ${name} axis maps ends to ends, and keeps the order between`, () => {
    for (const _ of many) {
      const [x, y] = [axis(), axis()];
      const f = frame(between(0, 50), between(0, 50), between(2, 900), between(2, 900), x, y);
      const said = JSON.stringify([x, y]);
      const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-6 * (1 + Math.abs(b)), `${a} is not ${b}: ${said}`);
      close(f.px(x.range[0]), f.left);
      close(f.px(x.range[1]), f.right);
      close(f.py(y.range[0]), f.bottom);
      close(f.py(y.range[1]), f.top);
      const [a, b] = [between(...x.range), between(...x.range)].sort((v, w) => v - w);
      assert.ok(f.px(a) <= f.px(b) + 1e-9);
      const [c, d] = [between(...y.range), between(...y.range)].sort((v, w) => v - w);
      assert.ok(f.py(c) >= f.py(d) - 1e-9);
    }
  });
}

test("an axis brings its own ticks, labels and scale", () => {
  const axis = { range: [0, 4], at: [0, 4], labels: ["none", "all"], warp: Math.sqrt };
  assert.deepEqual(ticks(axis, 5), [0, 4]);
  assert.deepEqual([0, 4].map((v) => tickLabel(v, axis)), ["none", "all"]);
  assert.equal(frame(10, 0, 100, 50, axis, axis).px(1), 60);
});

test("a frame is never without a size", () => {
  const f = frame(40, 20, -30, 0, { range: [0, 1] }, { range: [0, 1] });
  assert.deepEqual([f.width, f.height, f.px(0), f.py(0)], [2, 2, 40, 22]);
});

test("numbers are written short", () => {
  for (const _ of many) {
    const value = between(-1, 1) * 10 ** between(-20, 20);
    for (const [write, share] of [[short, 0.0501], [label, 0.00501]]) {
      const read = Number(write(value).replaceAll("−", "-"));
      assert.ok(Math.abs(read - value) <= share * Math.abs(value), `${value}: ${write(value)}`);
    }
    const whole = Number(percent(value % 10).replace("%", ""));
    assert.ok(Number.isInteger(whole) && Math.abs(whole - 100 * (value % 10)) <= 0.5 + 1e-9);
  }
});

test("what a slider shows can be typed, and leads back to its place", () => {
  for (const _ of many) {
    const values = Array.from({ length: 20 }, () => 10 ** between(-6, 6)).sort((v, w) => v - w);
    const labels = values.map(label);
    const at = Math.floor(20 * random());
    const back = nearest(labels.map((text) => typedNumber(text)), typedNumber(labels[at]));
    assert.equal(labels[back], labels[at]);
  }
  const typed = { "0,5": 0.5, "−1": -1, "40 %": 0.4, "40,000": 40000, "2.5e-3": 0.0025 };
  for (const [text, number] of Object.entries(typed)) assert.equal(typedNumber(text), number, text);
  for (const text of ["0.11", "0.11%", "0,11 %"]) assert.equal(typedNumber(text, true), 0.0011, text);
  for (const text of ["", "%", "ten"]) assert.ok(Number.isNaN(typedNumber(text)), text);
});

test("toggled keeps the order of the legend", () => {
  const methods = ["a", "b", "c"].map((name) => ({ name }));
  assert.deepEqual(toggled(methods, ["c"], "a", true), ["a", "c"]);
  assert.deepEqual(toggled(methods, ["a", "c"], "a", false), ["c"]);
});

// A plot as chart.js remembers it, without a canvas.
function remembered(x, y, curves) {
  const within = (v) => Math.min(y.range[1], Math.max(y.range[0], v));
  return { ...frame(10, 10, 100, 100, x, y), curves, places: [], within };
}

test("the pointer reads the nearest point of a curve, and a click goes to the nearest value", () => {
  const values = [1, 10, 100, 1000];
  const x = { title: "rate", range: [1, 1000], log: true, trait: "lr_index", values };
  const y = { title: "loss", range: [0, 3] };
  const curve = (name, heights) => ({ name, n: 4, x: (i) => values[i], y: (i) => heights[i] });
  const p = remembered(x, y, [curve("low", [0, 0, 0, 0]), curve("high", [0, 1, 2, NaN])]);
  for (const _ of many) {
    const [left, top] = [between(0, 120), between(0, 120)];
    const found = pointAt([p], left, top);
    if (found) assert.ok(Math.hypot(found.px - left, found.py - top) <= 40);
    assert.equal(plotAt([p], left, top), left >= 2 && left <= 118 && top >= 10 && top <= 110 ? p : undefined);
    const [goal] = goals(p, left, top);
    assert.equal(goal.trait, "lr_index");
    assert.equal(goal.position, Math.min(3, Math.max(0, Math.round(((left - 10) / 100) * 3))));
  }
  assert.equal(pointAt([p], p.px(10) + 3, p.py(1) + 3).name, "high");
  assert.equal(pointAt([p], p.px(10) + 3, p.py(0) - 3).name, "low");
  assert.equal(pointAt([p], p.right, p.top), null); // the upper curve has no number there
});

test("the table of a plot has a row for each x, and a gap where a curve has none", () => {
  const curve = (name, xs) => ({ name, n: xs.length, x: (i) => xs[i], y: (i) => 10 * xs[i] });
  const [x, y] = [{ title: "step", range: [0, 3] }, { title: "loss", range: [0, 30] }];
  const p = remembered(x, y, [curve("a", [2, 0]), curve("b", [0, 1])]);
  assert.deepEqual(tableOf(p), {
    title: "loss", head: ["step", "a", "b"], rows: [[0, 0, 0], [1, "", 10], [2, 20, ""]],
  });
});

test("labels of a colour bar stand side by side: one that would reach into the one before is left out", () => {
  const written = [];
  const ctx = { fillRect: () => {}, measureText: (text) => ({ width: 7 * text.length }), fillText: (text, x) => written.push([text, x]) };
  const marks = [[0, "0.0002"], [0.2, "0.0005"], [0.5, "0.001"], [1, "0.01"]];
  colourBar(ctx, 0, 0, 100, 9, ["#000000"], marks, {});
  assert.deepEqual(written, [["0.0002", 0], ["0.001", 50], ["0.01", 100]]);
  written.length = 0;
  colourBar(ctx, 0, 0, 400, 9, ["#000000"], marks, {});
  assert.deepEqual(written.map(([text]) => text), marks.map(([, text]) => text));
});

// A context that notes the colour of every stroke and the width that it has.
function noting() {
  const strokes = [];
  const nothing = () => {};
  const ctx = { strokes, beginPath: nothing, moveTo: nothing, lineTo: nothing, arc: nothing, fill: nothing, closePath: nothing, setLineDash: nothing };
  ctx.stroke = () => strokes.push([ctx.strokeStyle, ctx.lineWidth]);
  return ctx;
}

test("yellow, which white paper swallows, has dark edges, and no other colour has", () => {
  for (const [colour, edge] of [["#f0e442", "#5c5500"], ["#F0E442", "#5c5500"], ["#e69f00", null], ["rgb(0,0,0)", null]]) {
    const ctx = noting();
    polyline(ctx, 2, (i) => i, () => 0, { colour, width: 2 });
    assert.deepEqual(ctx.strokes, edge ? [[edge, 3.6], [colour, 2]] : [[colour, 2]]);
    const dotted = noting();
    dots(dotted, 2, (i) => 20 * i, () => 0, colour);
    assert.deepEqual(dotted.strokes.map(([stroke]) => stroke), edge ? [edge, edge] : []);
    const marked = noting();
    marker(marked, "circle", 0, 0, 5, colour, "#ffffff");
    assert.equal(marked.strokes[0][0], edge ?? "#ffffff");
  }
});

test("a style may have another colour for dark paper", () => {
  const [light, dark] = [false, true].map((d) => ({ dark: d, text: "text" }));
  const style = { colour: "#0072b2", dark: "#56b4e9" };
  assert.deepEqual([light, dark].map((paper) => colourOf(style, paper)), ["#0072b2", "#56b4e9"]);
  assert.deepEqual([light, dark].map((paper) => colourOf({ colour: "#0072b2" }, paper)), ["#0072b2", "#0072b2"]);
  assert.equal(colourOf({ colour: "" }, dark), "text");
});
