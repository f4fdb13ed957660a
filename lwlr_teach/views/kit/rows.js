// Rows beside a legend: every picture has a row for each method, level with its row in the legend.
import { colourOf, line, marker } from "./canvas.js";
import { element } from "./controls.js";

export const ROW = 38;
const [ABOVE, BELOW] = [24, 38]; // view.css has ROW and ABOVE for the names

// `readout(i)` stands beside a method's name and `title()` above them; a row that stands out has `tint(i, colours)`:
// {colour, alpha, bold}.
/**
 * @param {any} view
 * @param {Method[]} methods
 * @param {{ readout: (i: number) => string, title?: () => string, tint?: (i: number, colours: Colours) => Tint | null }} looks
 */
export function rows(view, methods, { readout, title = () => "", tint = () => null }) {
  const list = view.legend(methods, "", (name) => readout(methods.findIndex((m) => m.name === name)));
  const [heading, ...names] = list.children;
  const y0 = (i) => ABOVE + i * ROW;
  const bottom = y0(methods.length);
  const faded = (i) => (view.now.shown.includes(methods[i].name) ? 1 : 0.15);

  view.shows.push((colours) => {
    heading.textContent = title();
    names.forEach(({ style }, i) => {
      const lit = tint(i, colours);
      style.background = lit ? `color-mix(in srgb, ${lit.colour} ${100 * lit.alpha}%, transparent)` : "";
      style.fontWeight = lit?.bold ? "700" : "";
      style.borderTopColor = colours.faint;
    });
  });

  function picture(...options) {
    const canvas = view.picture(...options);
    canvas.style.height = `${bottom + BELOW}px`;
    return canvas;
  }

  // A plot over all rows: y counts them, from the top.
  function plot(ctx, colours, [left, right], x, options = {}) {
    methods.forEach((_, i) => {
      const lit = tint(i, colours);
      if (!lit) return;
      Object.assign(ctx, { fillStyle: lit.colour, globalAlpha: lit.alpha });
      ctx.fillRect(0, y0(i), ctx.cssWidth, ROW);
      ctx.globalAlpha = 1;
    });
    Object.assign(ctx, { strokeStyle: colours.faint, lineWidth: 1 });
    for (let i = 0; i <= methods.length; i++) line(ctx, 0, y0(i) + 0.5, ctx.cssWidth, y0(i) + 0.5);
    const box = { left, top: ABOVE, width: ctx.cssWidth - left - right, height: bottom - ABOVE };
    return view.plot(ctx, colours, box, x, { range: [methods.length, 0] }, { yTicks: 0, xEvery: 45, ...options });
  }

  // Above a plot, from `x` on or up to there: the first of the texts for which there is room.
  function caption(ctx, colours, x, align, ...texts) {
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: align, textBaseline: "alphabetic" });
    const room = align === "right" ? x : ctx.cssWidth - x;
    ctx.fillText(texts.find((text) => ctx.measureText(text).width <= room) ?? texts.at(-1), x, 15);
    ctx.font = colours.font;
  }

  // Row i with a dot a seed, hollow where it lies beyond the axis, and a line at their median; `reads(seed)` says one.
  function seeds(ctx, colours, p, i, values, median, reads) {
    const { name, style } = methods[i];
    const colour = colourOf(style, colours);
    const [low, high] = [...p.x.range].sort((a, b) => a - b);
    const within = (v) => Math.min(high, Math.max(low, v));
    const x = (s) => within(values[s]);
    const y = (s) => i + 0.5 + ((s + 0.5) / values.length - 0.5) * (1 - 12 / ROW); // the same height in every row
    ctx.globalAlpha = 0.75 * faded(i);
    Object.assign(ctx, { fillStyle: colour, strokeStyle: colour, lineWidth: 1.2 });
    values.forEach((value, s) => {
      ctx.beginPath();
      ctx.arc(p.px(x(s)), p.py(y(s)), 2.6, 0, 2 * Math.PI);
      ctx[value === x(s) ? "fill" : "stroke"]();
    });
    ctx.globalAlpha = faded(i);
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1.5 });
    line(ctx, p.px(within(median)), y0(i) + 3, p.px(within(median)), y0(i) + ROW - 3);
    marker(ctx, style.marker, p.px(within(median)), y0(i) + ROW / 2, 5.5, colour, colours.paper);
    ctx.globalAlpha = 1;
    p.points({ name, n: values.length, x, y, text: (s) => `${name}, seed ${s + 1}: ${reads(s)}` });
  }

  // Opens the view: its controls above, the pictures beside the names, and below them what they mean.
  const open = (name, say, controls, pictures, note) =>
    view.open(`${name} rows`, say, ...controls, element("div", { class: "lwlr-body" }, list, ...pictures),
      element("div", { class: "lwlr-note" }, note));

  return { y0, faded, picture, plot, caption, seeds, open };
}
