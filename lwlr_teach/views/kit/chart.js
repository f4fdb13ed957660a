// A plot that remembers what was drawn in it, so that its numbers can be read, listed and clicked.
import { axes, colourOf, contextOf, dots, drawCells, line, marker, polyline } from "./canvas.js";
import { frame } from "./geometry.js";

// A plot in the rectangle `box` {left, top, width, height} of a canvas. `x` and `y` are axes: {range, log, title, …} as
// `frame` and `axes` take them. An axis with a `trait` can be clicked: the view goes to the nearest of its `values`, or
// to the whole number there; where the trait has many positions, `key` says which, and `also` what else changes with it.
// What `axes` draws is set by `options`. A plot that is drawn by other means can have a `table` {title, head, rows}.
/**
 * @param {Context} ctx
 * @param {Colours} colours
 * @param {Box} box
 * @param {Axis} x
 * @param {Axis} y
 * @param {AxesOptions} options
 * @returns {Plot}
 */
export function plot(ctx, colours, box, x, y, options = {}) {
  const f = frame(box.left, box.top, box.width, box.height, x, y);
  axes(ctx, f, colours, { xTitle: x.title, yTitle: y.title, ...options });
  /** @type {Curve[]} */
  const curves = [];
  /** @type {Points[]} */
  const places = [];
  const [low, high] = y.range;
  const within = (v) => Math.min(high, Math.max(low, v));

  // Drawing that ends at the edges of the plot.
  /** @param {() => void} paint */
  function clipped(paint) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left - 1, f.top - 1, f.width + 2, f.height + 2);
    ctx.clip();
    paint();
    ctx.restore();
  }

  // n points (x(i), y(i)). What is above the axis runs along its upper edge, with an arrow where it leaves; what is
  // below runs out of the picture, with `floor` along its lower edge. What is no number counts as above, with `gaps` it
  // is left out. `quiet` curves are drawn and not remembered; `text(v)` writes a value, and `reads(i)` all that is read
  // at a point.
  /** @param {Curve} all */
  function curve({ name, style, n, x: xs, y: ys, colour: own, quiet, floor, gaps, text, reads, ...looks }) {
    if (n < 1) return;
    const colour = own ?? (style ? colourOf(style, colours) : colours.text);
    const py = (i) => (ys(i) < low && !floor ? f.bottom + below(ys(i)) : f.py(within(ys(i))));
    clipped(() => polyline(ctx, n, (i) => f.px(xs(i)), py, { colour, dash: style?.dash, ...looks }));
    for (let i = 0; i < n; i++) {
      const above = (k) => ys(k) > high || (!gaps && Number.isNaN(ys(k)));
      const leaves = above(i) && (i === 0 || !above(i - 1));
      if (leaves && !quiet) marker(ctx, "triangle-up", f.px(xs(i)), f.top + 5, 4.5, colour, colours.paper);
    }
    if (!quiet) curves.push({ name, n, x: xs, y: ys, text, reads });
  }
  // How far below the plot a value lies, in pixels; not so far that a curve would fall like a wall.
  const below = (v) => (v > 0 || !y.log ? Math.min(4 * f.height, f.py(v) - f.bottom) : 4 * f.height);

  // A dot at each point inside the plot; remembered as a curve is.
  /** @type {Plot["scatter"]} */
  function scatter({ name, n, x: xs, y: ys, colour, quiet, text }) {
    const py = (i) => (ys(i) >= low && ys(i) <= high ? f.py(ys(i)) : NaN);
    dots(ctx, n, (i) => f.px(xs(i)), py, colour);
    if (!quiet) curves.push({ name, n, x: xs, y: ys, text });
  }

  // A band between low(i) and high(i).
  /** @param {Band} all */
  function band({ n, x: xs, low: from, high: to, colour, alpha = 0.3 }) {
    clipped(() => {
      ctx.beginPath();
      for (let i = 0; i < n; i++) ctx.lineTo(f.px(xs(i)), f.py(within(to(i))));
      for (let i = n - 1; i >= 0; i--) ctx.lineTo(f.px(xs(i)), f.py(within(from(i))));
      Object.assign(ctx, { globalAlpha: alpha, fillStyle: colour });
      ctx.fill();
      ctx.globalAlpha = 1;
    });
  }

  // A line across the plot at this x: where the slider stands.
  /** @type {Plot["rule"]} */
  function rule(at, { colour = colours.text, width = 1, alpha = 1, dash = [] } = {}) {
    Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: alpha });
    ctx.setLineDash(dash);
    line(ctx, f.px(at), f.top, f.px(at), f.bottom);
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  // A marker at a point, on the edge with an arrow where the point lies above it.
  /** @type {Plot["mark"]} */
  function mark(style, at, value, size = 5) {
    if (!(value >= low)) return;
    const shape = value <= high ? style.marker : "triangle-up";
    marker(ctx, shape, f.px(at), f.py(within(value)), size, colourOf(style, colours), colours.paper);
  }

  // A heat map, that is a picture with a pixel a cell, over the whole plot. `read(column, row)` says what stands in a
  // cell, {name, text}; the first row is at the bottom.
  /** @type {Plot["cells"]} */
  function cells(picture, columns, rows, read) {
    drawCells(ctx, picture, f);
    made.cellAt = (left, top) => {
      const [column, row] = [Math.floor(((left - f.left) / f.width) * columns), Math.floor(((f.bottom - top) / f.height) * rows)];
      if (column < 0 || column >= columns || row < 0 || row >= rows) return null;
      const [px, py] = [f.left + ((column + 0.5) / columns) * f.width, f.bottom - ((row + 0.5) / rows) * f.height];
      return { ...read(column, row), px, py, away: 0 };
    };
  }

  // What takes long and does not move is painted once for a `key`, and kept with what it remembers.
  /** @type {Plot["once"]} */
  function once(key, paint, alpha = 1) {
    const { canvas, ratio, cssWidth, cssHeight } = ctx;
    const whole = [key, canvas.width, canvas.height, colours.text].join("\n");
    const kept = /** @type {Kept} */ ((canvas.kept ??= [])[number] ??= {});
    if (kept.key === whole) {
      curves.push(...kept.curves);
      made.cellAt = kept.cellAt;
    } else {
      const sheet = new OffscreenCanvas(canvas.width, canvas.height);
      const [shown, before] = [ctx, curves.length];
      ctx = /** @type {Context} */ (contextOf(sheet));
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint();
      ctx = shown;
      Object.assign(kept, { key: whole, sheet, curves: curves.slice(before), cellAt: made.cellAt });
    }
    ctx.globalAlpha = alpha;
    ctx.drawImage(kept.sheet, 0, 0, cssWidth, cssHeight);
    ctx.globalAlpha = 1;
  }

  // n points of the plot that are drawn by other means, such as a path: the nearest is read, as `text(i)`.
  /** @param {Points} all */
  const points = (all) => places.push(all); // { name, n, x(i), y(i), text(i) }

  /** @type {Plot} */
  const made = { ...f, curves, places, within, clipped, curve, scatter, band, rule, mark, cells, once, points };
  const number = (ctx.canvas.plots ??= []).push(made) - 1;
  return made;
}

// What is read at a place on the canvas: the cell there, or the nearest point of a plot's curves: first the nearest x,
// then the nearest curve.
/**
 * @param {Plot[]} plots
 * @param {number} left
 * @param {number} top
 */
export function pointAt(plots, left, top, reach = 40) {
  /** @type {Found | null} */
  let found = null;
  for (const p of plots) {
    if (left < p.left - 5 || left > p.right + 5 || top < p.top - 5 || top > p.bottom + 5) continue;
    found = p.cellAt?.(left, top) ?? found;
    for (const c of p.curves) {
      let near = -1;
      for (let i = 0; i < c.n; i++) {
        if (near < 0 || Math.abs(p.px(c.x(i)) - left) < Math.abs(p.px(c.x(near)) - left)) near = i;
      }
      const value = c.y(near);
      if (!Number.isFinite(value)) continue;
      const [px, py] = [p.px(c.x(near)), p.py(p.within(value))];
      const away = Math.hypot(px - left, py - top);
      if (away <= reach && away < (found?.away ?? Infinity)) {
        found = { plot: p, curve: c, name: c.name, i: near, text: c.reads?.(near), px, py, away };
      }
    }
    for (const { name, n, x, y, text, goes } of p.places) {
      for (let i = 0; i < n; i++) {
        const [px, py] = [p.px(x(i)), p.py(y(i))];
        if (px < p.left || px > p.right || py < p.top || py > p.bottom) continue;
        const away = Math.hypot(px - left, py - top);
        if (away <= reach && away < (found?.away ?? Infinity)) found = { name, text: text(i), px, py, away, goes: goes?.(i) };
      }
    }
  }
  return found;
}

// The plot at a place on the canvas of which an axis can be clicked; undefined if there is none.
/**
 * @param {Plot[]} plots
 * @param {number} left
 * @param {number} top
 */
export function plotAt(plots, left, top) {
  const inside = (p) => left >= p.left - 8 && left <= p.right + 8 && top >= p.top && top <= p.bottom;
  return plots.find((p) => (p.x.trait || p.y.trait) && inside(p));
}

// Where the axes of a plot stand at a place on the canvas: {trait, key, position, also} for each that can be clicked.
/**
 * @param {Plot} p
 * @param {number} left
 * @param {number} top
 */
export function goals(p, left, top) {
  /** @type {(axis: Axis, to: (value: number) => number, place: number) => number} */
  const nearby = ({ values, range, free }, to, place) => {
    if (free) return between(range, (place - to(range[0])) / (to(range[1]) - to(range[0])));
    const away = (values ?? Array.from({ length: range[1] + 1 }, (_, i) => i)).map((v) => Math.abs(to(v) - place));
    return away.indexOf(Math.min(...away));
  };
  /** @type {[Axis, (value: number) => number, number][]} */
  const both = [[p.x, p.px, left], [p.y, p.py, top]];
  return both.filter(([axis]) => axis.trait)
    .map(([axis, to, place]) => ({ trait: axis.trait, key: axis.key, also: axis.also, position: nearby(axis, to, place) }));
}

// The value at this share of a range, to a digit that a pixel can show.
/**
 * @param {number[]} range
 * @param {number} share
 */
function between([low, high], share) {
  const digits = Math.max(0, Math.ceil(-Math.log10((high - low) / 400)));
  return Number((low + Math.min(1, Math.max(0, share)) * (high - low)).toFixed(digits));
}

// The numbers of a plot: a heading, then a row for each x with every curve's value there.
/**
 * @param {Plot} p
 * @returns {Table}
 */
export function tableOf(p) {
  if (p.table) return p.table;
  const at = new Map();
  p.curves.forEach((c, k) => {
    for (let i = 0; i < c.n; i++) {
      if (!at.has(c.x(i))) at.set(c.x(i), Array(p.curves.length).fill(""));
      at.get(c.x(i))[k] = c.y(i);
    }
  });
  const rows = [...at.entries()].sort(([a], [b]) => a - b).map(([x, ys]) => [x, ...ys]);
  return { title: p.y.title, head: [p.x.title, ...p.curves.map((c) => c.name)], rows };
}
