// A plot that remembers what was drawn in it, so that its numbers can be read, listed and clicked.
import { axes, colourOf, line, marker, polyline } from "./canvas.js";
import { frame } from "./geometry.js";

// A plot in the rectangle `box` {left, top, width, height} of a canvas. `x` and `y` are axes: {range, log, title, …} as
// `frame` and `axes` take them. An x axis with a `trait` can be clicked: the view goes to the nearest of its `values`,
// or to the whole number there. What `axes` draws is set by `options`.
export function plot(ctx, colours, box, x, y, options = {}) {
  const f = frame(box.left, box.top, box.width, box.height, x, y);
  axes(ctx, f, colours, { xTitle: x.title, yTitle: y.title, ...options });
  const curves = [];
  const [low, high] = y.range;
  const within = (v) => Math.min(high, Math.max(low, v));

  // Drawing that ends at the edges of the plot.
  function clipped(paint) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left - 1, f.top - 1, f.width + 2, f.height + 2);
    ctx.clip();
    paint();
    ctx.restore();
  }

  // n points (x(i), y(i)). What is above the axis runs along its upper edge, with an arrow where it leaves; what is
  // below runs out of the picture. `quiet` curves are drawn and not remembered; `text(v)` writes a value.
  function curve({ name, style, n, x: xs, y: ys, colour = colourOf(style, colours), quiet = false, text, ...looks }) {
    if (n < 1) return;
    const py = (i) => (ys(i) < low ? f.bottom + below(ys(i)) : f.py(within(ys(i))));
    clipped(() => polyline(ctx, n, (i) => f.px(xs(i)), py, { colour, dash: style?.dash, ...looks }));
    for (let i = 0; i < n; i++) {
      const leaves = !(ys(i) <= high) && (i === 0 || ys(i - 1) <= high);
      if (leaves && !quiet) marker(ctx, "triangle-up", f.px(xs(i)), f.top + 5, 4.5, colour, colours.paper);
    }
    if (!quiet) curves.push({ name, n, x: xs, y: ys, text });
  }
  // How far below the plot a value lies, in pixels; not so far that a curve would fall like a wall.
  const below = (v) => (v > 0 || !y.log ? Math.min(4 * f.height, f.py(v) - f.bottom) : 4 * f.height);

  // A band between low(i) and high(i).
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
  function rule(at, { colour = colours.text, width = 1, alpha = 1 } = {}) {
    Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: alpha });
    line(ctx, f.px(at), f.top, f.px(at), f.bottom);
    ctx.globalAlpha = 1;
  }

  // A marker at a point, on the edge with an arrow where the point lies above it.
  function mark(style, at, value, size = 5) {
    if (!(value >= low)) return;
    const shape = value <= high ? style.marker : "triangle-up";
    marker(ctx, shape, f.px(at), f.py(within(value)), size, colourOf(style, colours), colours.paper);
  }

  const made = { ...f, curves, within, clipped, curve, band, rule, mark };
  (ctx.canvas.plots ??= []).push(made);
  return made;
}

// The point of a plot's curves that is nearest to a place on the canvas: first the nearest x, then the nearest curve.
export function pointAt(plots, left, top, reach = 40) {
  let found = null;
  for (const p of plots) {
    if (left < p.left - 5 || left > p.right + 5 || top < p.top - 5 || top > p.bottom + 5) continue;
    for (const c of p.curves) {
      let near = -1;
      for (let i = 0; i < c.n; i++) {
        if (near < 0 || Math.abs(p.px(c.x(i)) - left) < Math.abs(p.px(c.x(near)) - left)) near = i;
      }
      const value = c.y(near);
      if (!Number.isFinite(value)) continue;
      const [px, py] = [p.px(c.x(near)), p.py(p.within(value))];
      const away = Math.hypot(px - left, py - top);
      if (away <= reach && away < (found?.away ?? Infinity)) found = { plot: p, curve: c, i: near, px, py, away };
    }
  }
  return found;
}

// The position of a plot's x axis that is nearest to a place on the canvas, for its trait; null if it has none.
export function positionAt(plots, left, top) {
  for (const p of plots) {
    const inside = left >= p.left - 8 && left <= p.right + 8 && top >= p.top && top <= p.bottom;
    if (!inside || !p.x.trait) continue;
    const values = p.x.values ?? Array.from({ length: p.x.range[1] + 1 }, (_, i) => i);
    const away = values.map((v) => Math.abs(p.px(v) - left));
    return { trait: p.x.trait, position: away.indexOf(Math.min(...away)) };
  }
  return null;
}

// The numbers of a plot: a heading, then a row for each x with every curve's value there.
export function tableOf(p) {
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
