// The view of rates by hand: a slider for each layer with the loss against that layer's rate below it; the loss
// of these rates beside that of all settings and of the rivals; and the training curves.
import { axes, colourOf, line, marker, typed } from "../kit/canvas.js";
import { button, element } from "../kit/controls.js";
import { frame } from "../kit/geometry.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const losses = typed(Float32Array, model.get("losses")); // (setting): the rate of the last layer moves fastest
  const curves = typed(Float32Array, model.get("curves")); // (setting, then rival; point)
  const { layers, rates, values, methods, rivals } = plan;
  const points = curves.length / (losses.length + rivals.length);
  const setting = (positions) => positions.reduce((at, p) => at * rates.length + p, 0);
  const moved = (k, position) => now.positions.map((old, i) => (i === k ? position : old));
  const loss = () => losses[setting(now.positions)];
  const score = () => Math.floor((100 * losses.filter((other) => other > loss()).length) / (losses.length - 1));
  // Places among the methods: the first is the learner's, then come the rivals.
  const visible = () => (now.revealed ? [1, 2, 3] : [1, 2]);
  const sentence = () => {
    const parts = layers.map(({ name }, k) => `${name} ${rates[now.positions[k]]}`);
    const chosen = [parts.slice(0, -1).join(", "), ...parts.slice(-1)].filter(Boolean).join(" and ");
    const { begin, end, lars } = plan.sentence;
    return `${begin}${chosen} reach the loss ${short(loss())}, better than ${score()}% of the other settings. ` +
      `${end}${now.revealed ? lars : ""}`;
  };

  const verdict = () => {
    const [equal, , lars] = plan.rival_scores;
    return `Your rates beat ${score()}% of the other settings, the best equal rate ${equal}%` + (now.revealed ? `, LARS ${lars}%.` : ".");
  };

  // Where a rate stands between the positions of a slider; beyond them at its ends.
  function positionOf(rate) {
    const right = values.findIndex((v) => v >= rate);
    if (right <= 0) return right ? values.length - 1 : 0;
    return right - 1 + Math.log(rate / values[right - 1]) / Math.log(values[right] / values[right - 1]);
  }

  const lossAxis = { title: "final loss", range: plan.loss_range, log: true };

  function drawStrip(ctx, colours, k) {
    // The slider's knob stops 8 pixels before the ends of its track, which begins at 26 and ends 8 before the edge: see view.css.
    const width = ctx.cssWidth - 50;
    const stride = Math.ceil((rates.length * 42) / width);
    const some = (list) => list.filter((_, p) => p % stride === 0);
    const x = {
      title: `rate of ${layers[k].name}`, range: [values[0], values.at(-1)], warp: positionOf, at: some(values), labels: some(rates),
      trait: "positions", key: k, values,
    };
    const p = view.plot(ctx, colours, { left: 34, top: 22, width, height: ctx.cssHeight - 46 }, x, lossAxis,
      { xTitle: "", yTicks: 4, yTitle: k ? "" : "final loss" });
    const [here, colour] = [values[now.positions[k]], colours.text];
    if (now.revealed) {
      const [first, last] = plan.lars.band[k].map(p.px);
      Object.assign(ctx, { globalAlpha: 0.25, fillStyle: colourOf(methods[3].style, colours) });
      ctx.fillRect(first, p.top, Math.max(last - first, 2), p.height);
      ctx.globalAlpha = 1;
    }
    Object.assign(ctx, { strokeStyle: colour, lineWidth: 1 });
    line(ctx, p.px(here), 0, p.px(here), p.bottom); // from the knob above
    const of = { n: rates.length, x: (i) => values[i], y: (i) => losses[setting(moved(k, i))], colour };
    p.curve({ name: "final loss", ...of });
    p.scatter({ ...of, quiet: true });
    p.mark({ marker: "circle" }, here, loss(), 6.5);
    if (!now.revealed) return;
    // They are rates and no losses: a line through the whole picture, with its mark on the frame.
    for (const [i, rate, edge] of [[2, plan.best[k], p.top], [3, plan.lars.median[k], p.bottom - 3]]) {
      const [{ style }, x] = [methods[i], p.px(rate)];
      Object.assign(ctx, { strokeStyle: colourOf(style, colours), lineWidth: 1 });
      line(ctx, x, p.top, x, p.bottom);
      marker(ctx, style.marker, x, edge, 6, colourOf(style, colours), colours.paper);
    }
  }

  function drawScores(ctx, colours) {
    const rows = methods.length + 1;
    const f = frame(138, 24, ctx.cssWidth - 150, ctx.cssHeight - 48, lossAxis, { range: [rows, 0] });
    axes(ctx, f, colours, { yTicks: 0 });
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left" });
    ctx.fillText("final loss on all images", 0, 14);
    const [py, high] = [(row) => f.py(row + 0.5), plan.loss_range[1]];
    const px = (value) => f.px(Math.min(high, value));
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    line(ctx, px(loss()), f.top, px(loss()), f.bottom);
    ctx.globalAlpha = 0.15;
    for (const other of losses) line(ctx, px(other), py(rows - 1) - 9, px(other), py(rows - 1) + 9);
    Object.assign(ctx, { globalAlpha: 1, textBaseline: "middle" });
    const beyond = "triangle-right"; // the loss is higher than the axis
    if (losses.some((other) => other > high)) marker(ctx, beyond, f.right, py(rows - 1), 6, colours.text, colours.paper);
    const name = (row, text, value) => {
      Object.assign(ctx, { font: row ? colours.font : `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left" });
      ctx.fillText(text, 0, py(row));
      ctx.textAlign = "right";
      ctx.fillText(value, f.left - 12, py(row));
    };
    name(rows - 1, `all ${losses.length} settings`, "");
    for (const i of [...visible(), 0]) {
      const value = i ? rivals[i - 1] : loss();
      const { style } = methods[i];
      name(i, methods[i].name, short(value));
      marker(ctx, value > high ? beyond : style.marker, px(value), py(i), i ? 6 : 8, colourOf(style, colours), colours.paper);
    }
    if (!now.revealed) name(3, methods[3].name, "?");
  }

  function drawCurves(ctx, colours) {
    const box = { left: 38, top: 24, width: ctx.cssWidth - 50, height: ctx.cssHeight - 62 };
    const p = view.plot(ctx, colours, box, { title: "step", range: [0, plan.steps] }, { ...lossAxis, title: plan.curves });
    for (const i of [...visible().reverse(), 0]) {
      const from = points * (i ? losses.length + i - 1 : setting(now.positions));
      const [x, y] = [(j) => (j + 0.5) * plan.stride, (j) => curves[from + j]];
      p.curve({ ...methods[i], n: points, x, y, width: i ? 1.5 : 2.5, halo: i ? undefined : colours.paper });
      p.mark(methods[i].style, plan.steps, i ? rivals[i - 1] : loss(), i ? 4.5 : 6);
    }
  }

  const columns = layers.map(({ name, note }, k) => {
    const slider = view.slider("positions", name, rates, `layer-${k}`, { key: k });
    if (note) slider.querySelector("span").append(" ", element("small", {}, note));
    const strip = view.picture(`strip strip-${k}`, (ctx, colours) => drawStrip(ctx, colours, k), k ? () => `Loss against the rate of ${name}.` : "");
    return element("div", { class: "lwlr-layer" }, slider, strip);
  });
  const reveal = button("reveal", "", "the rates that LARS gave each layer, and its loss", () => view.commit({ revealed: !now.revealed }));
  view.shows.push(() => (reveal.textContent = now.revealed ? "hide what LARS chose" : "show what LARS chose"));
  const band = element("div", { class: "lwlr-note" }, plan.band);
  view.shows.push(() => (band.hidden = !now.revealed));
  return view.open("layers", sentence, element("div", { class: "lwlr-body" }, ...columns), band,
    element("div", { class: "lwlr-controls" }, view.words(verdict), reveal, view.reset()),
    element("div", { class: "lwlr-body" }, view.picture("scores", drawScores, () => "Losses beside each other."),
      view.picture("curves", drawCurves, () => "Training curves.")));
}

export default { render };
