// The view of rates by hand: a slider for each layer with the loss against that layer's rate below it; the loss
// of these rates beside that of all settings and of the rivals; and the training curves.
import { axes, colourOf, fit, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, element, live, save, slider } from "../kit/controls.js";

function render({ model, el }) {
  const plan = model.get("plan");
  const losses = typed(Float32Array, model.get("losses")); // (setting): the rate of the last layer moves fastest
  const curves = typed(Float32Array, model.get("curves")); // (setting, then rival; point)
  const { layers, rates, values, methods, rivals } = plan;
  const points = curves.length / (losses.length + rivals.length);
  const [low, high] = plan.loss_range;
  const clamped = (loss) => Math.min(high, Math.max(low, loss));
  const now = {};
  const pull = () => Object.assign(now, { positions: [...model.get("positions")], revealed: model.get("revealed") });
  const push = () => save(model, { positions: [...now.positions], revealed: now.revealed });
  const setting = (positions) => positions.reduce((at, p) => at * rates.length + p, 0);
  const moved = (k, p) => now.positions.map((old, i) => (i === k ? p : old));
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

  function drawStrip(ctx, k, colours) {
    // The slider's knob stops 8 pixels before the ends of its track, which begins at 26: see view.css.
    const width = ctx.cssWidth - 42;
    const stride = Math.ceil((rates.length * 42) / width);
    const at = rates.map((_, p) => p).filter((p) => p % stride === 0);
    const x = { range: [0, rates.length - 1], at, labels: at.map((p) => rates[p]) };
    const f = frame(34, 22, width, ctx.cssHeight - 46, x, { range: plan.loss_range, log: true });
    axes(ctx, f, colours, { yTicks: 4, yTitle: k ? "" : "final loss" });
    const column = f.px;
    const place = (rate) => f.px(positionOf(rate));
    const py = (p) => f.py(clamped(losses[setting(moved(k, p))]));
    const colour = colours.text;
    const here = now.positions[k];
    if (now.revealed) {
      const [first, last] = plan.lars.band[k].map(place);
      Object.assign(ctx, { globalAlpha: 0.25, fillStyle: colourOf(methods[3].style, colours) });
      ctx.fillRect(first, f.top, Math.max(last - first, 2), f.height);
      ctx.globalAlpha = 1;
    }
    Object.assign(ctx, { strokeStyle: colour, lineWidth: 1 });
    line(ctx, column(here), 0, column(here), f.bottom);
    polyline(ctx, rates.length, column, py, { colour });
    rates.forEach((_, p) => marker(ctx, "circle", column(p), py(p), 2.5, colour, colours.paper));
    marker(ctx, "circle", column(here), py(here), 6.5, colour, colours.paper);
    if (!now.revealed) return;
    for (const [i, rate] of [[2, plan.best[k]], [3, plan.lars.median[k]]]) {
      const { style } = methods[i];
      marker(ctx, style.marker, place(rate), f.top + 14 * (i - 1), 6, colourOf(style, colours), colours.paper);
    }
  }

  // Where a rate stands between the positions of a slider.
  function positionOf(rate) {
    const right = values.findIndex((v) => v >= rate);
    if (right <= 0) return right ? values.length - 1 : 0;
    return right - 1 + Math.log(rate / values[right - 1]) / Math.log(values[right] / values[right - 1]);
  }

  function drawScores(ctx, colours) {
    const rows = methods.length + 1;
    const f = frame(138, 24, ctx.cssWidth - 150, ctx.cssHeight - 48, { range: plan.loss_range, log: true }, { range: [rows, 0] });
    axes(ctx, f, colours, { yTicks: 0 });
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left" });
    ctx.fillText("final training loss", 0, 14);
    const py = (row) => f.py(row + 0.5);
    const ours = f.px(clamped(loss()));
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    line(ctx, ours, f.top, ours, f.bottom);
    ctx.globalAlpha = 0.15;
    for (const other of losses) line(ctx, f.px(clamped(other)), py(rows - 1) - 9, f.px(clamped(other)), py(rows - 1) + 9);
    ctx.globalAlpha = 1;
    ctx.textBaseline = "middle";
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
      marker(ctx, style.marker, f.px(clamped(value)), py(i), i ? 6 : 8, colourOf(style, colours), colours.paper);
    }
    if (!now.revealed) name(3, methods[3].name, "?");
  }

  function drawCurves(ctx, colours) {
    const f = frame(38, 24, ctx.cssWidth - 50, ctx.cssHeight - 62, { range: [0, plan.steps] }, { range: plan.loss_range, log: true });
    axes(ctx, f, colours, { xTitle: "step", yTitle: "loss on the minibatch" });
    for (const i of [...visible().reverse(), 0]) {
      const from = points * (i ? losses.length + i - 1 : setting(now.positions));
      const { style } = methods[i];
      const colour = colourOf(style, colours);
      const px = (j) => f.px((j + 0.5) * plan.stride);
      const py = (j) => f.py(clamped(curves[from + j]));
      polyline(ctx, points, px, py, { colour, dash: style.dash, width: i ? 1.5 : 2.5, halo: i ? undefined : colours.paper });
      marker(ctx, style.marker, px(points - 1), py(points - 1), i ? 4.5 : 6, colour, colours.paper);
    }
  }

  const strips = layers.map((_, k) => element("canvas", { class: `lwlr-strip lwlr-strip-${k}`, role: "img" }));
  const scores = element("canvas", { class: "lwlr-scores", role: "img" });
  const curveCanvas = element("canvas", { class: "lwlr-curves", role: "img" });
  const words = element("div", { class: "lwlr-words" });
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    const [equal, , lars] = plan.rival_scores;
    const verdict = `Your rates beat ${score()}% of the other settings, the best equal rate ${equal}%` +
      (now.revealed ? `, LARS ${lars}%.` : ".");
    if (words.textContent !== verdict) words.textContent = verdict;
    reveal.textContent = now.revealed ? "hide what LARS chose" : "show what LARS chose";
    strips.forEach((strip, k) => {
      strip.setAttribute("aria-label", k ? `Loss against the rate of ${layers[k].name}.` : said);
      const ctx = fit(strip);
      if (ctx) drawStrip(ctx, k, colours);
    });
    scores.setAttribute("aria-label", "Losses beside each other.");
    curveCanvas.setAttribute("aria-label", "Training curves.");
    const onScores = fit(scores);
    const onCurves = fit(curveCanvas);
    if (onScores) drawScores(onScores, colours);
    if (onCurves) drawCurves(onCurves, colours);
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const sliders = layers.map(({ name, note }, k) => {
    const made = slider(`layer-${k}`, name, rates, {
      onInput: (p) => change({ positions: moved(k, p) }), onRelease: push,
    });
    if (note) made.row.querySelector("span").append(" ", element("small", {}, note));
    return made;
  });
  const show = () => sliders.forEach((made, k) => made.show(now.positions[k]));
  const reveal = button("reveal", "show what LARS chose", "the rates that LARS gave each layer, and its loss", () => {
    change({ revealed: !now.revealed });
    push();
  });
  const reset = button("reset", "reset", "put everything back as it was", () => {
    change({ positions: [...plan.start.positions], revealed: plan.start.revealed });
    show();
    push();
  });
  const columns = strips.map((strip, k) => element("div", { class: "lwlr-layer" }, sliders[k].row, strip));
  const root = element("div", { class: "lwlr-view lwlr-layers" }, element("div", { class: "lwlr-body" }, ...columns),
    element("div", { class: "lwlr-controls" }, words, reveal, reset), element("div", { class: "lwlr-body" }, scores, curveCanvas));
  return live(model, el, root, ["positions", "revealed"], { pull, show, draw });
}

export default { render };
