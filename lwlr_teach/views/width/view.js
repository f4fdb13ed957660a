// The width view: final loss against the rate, a curve for each width, their best rates marked and joined; and
// beside it the best rate against the width, for all runs.
import { axes, colourOf, fit, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, choice, element, legend, live, save, slider, toggled } from "../kit/controls.js";

function render({ model, el }) {
  const plan = model.get("plan");
  const losses = typed(Float32Array, model.get("losses")); // (run, width, rate)
  const { methods, rates, values, widths, runs } = plan;
  const now = {};
  const pull = () => Object.assign(now, { lr: model.get("lr_index"), run: model.get("run"), shown: model.get("shown") });
  const push = () => save(model, { lr_index: now.lr, run: now.run, shown: now.shown });
  const visible = () => methods.map((m, i) => ({ ...m, i })).filter((m) => now.shown.includes(m.name));
  const current = () => runs.indexOf(now.run);
  const loss = (i, rate) => losses[(current() * widths.length + i) * rates.length + rate];
  const best = (i) => plan.best[current()][i];
  const sentence = () =>
    `${plan.title}, ${now.run}, learning rate ${rates[now.lr]}, after ${plan.steps} steps: ` +
    (visible().map((m) => `${m.name} has the loss ${short(loss(m.i, now.lr))} and is best at ${rates[best(m.i)]}`).join("; ")
      || "no width is shown") + ".";

  // Powers of ten alone would be one or two labels.
  const some = (list) => list.filter((_, j) => j % 2 === 0);
  const rateAxis = { range: [values[0], values[values.length - 1]], log: true, at: some(values), labels: some(rates) };
  const widthAxis = { range: [widths[0] / 1.4, widths[widths.length - 1] * 1.4], log: true, at: widths, labels: widths };

  function drawLosses(ctx, colours) {
    const y = { range: plan.loss_range, log: true };
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 62, rateAxis, y);
    axes(ctx, f, colours, { xTitle: "learning rate", yTitle: `final training loss, ${now.run}` });
    const at = (i, j) => f.py(Math.min(plan.loss_range[1], Math.max(plan.loss_range[0], loss(i, j))));
    const rows = visible();
    for (const m of rows) {
      polyline(ctx, values.length, (j) => f.px(values[j]), (j) => at(m.i, j), { colour: colourOf(m.style, colours), dash: m.style.dash });
    }
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    line(ctx, f.px(values[now.lr]), f.top, f.px(values[now.lr]), f.bottom);
    const bestX = (k) => f.px(values[best(rows[k].i)]);
    const bestY = (k) => at(rows[k].i, best(rows[k].i));
    polyline(ctx, rows.length, bestX, bestY, { colour: colours.text, width: 3, alpha: 0.5 });
    rows.forEach((m, k) => marker(ctx, m.style.marker, bestX(k), bestY(k), 7, colourOf(m.style, colours), colours.paper));
  }

  function drawBest(ctx, colours) {
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 62, widthAxis, { range: plan.best_range, log: true });
    axes(ctx, f, colours, { xTitle: "width", yTitle: "best rate" });
    const px = (i) => f.px(widths[i]);
    const last = widths.length - 1;
    runs.forEach((name, r) => {
      const py = (i) => f.py(values[plan.best[r][i]]);
      const on = name === now.run;
      polyline(ctx, widths.length, px, py, { colour: colours.text, width: on ? 3 : 1.5, alpha: on ? 1 : 0.35 });
      if (!on) {
        Object.assign(ctx, { fillStyle: colours.text, textAlign: "right", textBaseline: "top", globalAlpha: 0.7 });
        ctx.fillText(name, px(last) + 10, py(last) + 8);
        ctx.globalAlpha = 1;
      }
    });
    for (const m of visible()) {
      const [mx, my] = [px(m.i), f.py(values[best(m.i)])];
      marker(ctx, m.style.marker, mx, my, 7, colourOf(m.style, colours), colours.paper);
      Object.assign(ctx, { fillStyle: colours.text, strokeStyle: colours.paper, lineWidth: 4 });
      Object.assign(ctx, { textAlign: "center", textBaseline: "alphabetic", lineJoin: "round" });
      ctx.strokeText(rates[best(m.i)], mx, my - 12); // a halo: the line may run through it
      ctx.fillText(rates[best(m.i)], mx, my - 12);
    }
  }

  const curves = element("canvas", { class: "lwlr-curves", role: "img" });
  const bests = element("canvas", { class: "lwlr-bests", role: "img" });
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    curves.setAttribute("aria-label", said);
    bests.setAttribute("aria-label", `Best rate against width. ${said}`);
    list.draw(colours, now.shown, (name) => short(loss(methods.findIndex((m) => m.name === name), now.lr)));
    const onCurves = fit(curves);
    const onBests = fit(bests);
    if (onCurves) drawLosses(onCurves, colours);
    if (onBests) drawBest(onBests, colours);
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const rate = slider("lr", "learning rate", rates, { onInput: (lr) => change({ lr }), onRelease: push });
  const which = choice("run", "run", Object.fromEntries(runs.map((name) => [name, name])), (run) => {
    change({ run });
    push();
  });
  const reset = button("reset", "reset", "put everything back as it was", () => {
    change({ ...plan.start });
    show();
    push();
  });
  const list = legend(methods, "loss at this rate", (name, on) => {
    change({ shown: toggled(methods, now.shown, name, on) });
    push();
  });
  const show = () => {
    rate.show(now.lr);
    which.show(now.run);
  };
  const controls = element("div", { class: "lwlr-controls" }, rate.row, ...(runs.length > 1 ? [which.row] : []), reset);
  const root = element("div", { class: "lwlr-view lwlr-width" }, controls,
    element("div", { class: "lwlr-body" }, curves, element("div", { class: "lwlr-side" }, list.root, bests)));
  return live(model, el, root, ["lr_index", "run", "shown"], { pull, show, draw });
}

export default { render };
