// The rate view: one strip a method, final loss and test accuracy against the learning rate (or against the
// limit of a clip, which then stands wherever it says rate), and the training curves where the slider stands.
import { axes, colourOf, fit, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { button, element, legend, live, save, slider, toggled } from "../kit/controls.js";

function render({ model, el }) {
  const plan = model.get("plan");
  const curves = typed(Float32Array, model.get("curves")); // (method, rate, point)
  const summaries = {
    // (method, rate, 3): lowest, middle and highest of the seeds
    loss: typed(Float32Array, model.get("final_losses")),
    accuracy: typed(Float32Array, model.get("accuracies")),
  };
  const { methods, rates, values, points, stride } = plan;
  const now = {};
  const pull = () => Object.assign(now, { lr: model.get("lr_index"), shown: model.get("shown") });
  const push = () => save(model, { lr_index: now.lr, shown: now.shown });
  const visible = () => methods.map((m, i) => ({ ...m, i })).filter((m) => now.shown.includes(m.name));
  const accuracy = (m) => `${Math.round(100 * summaries.accuracy[(m.i * rates.length + now.lr) * 3 + 1])}%`;
  const sentence = () =>
    `${plan.title}, ${plan.axis} ${rates[now.lr]}, after ${plan.steps} steps: ` +
    (visible().map((m) => `${m.name} gets ${accuracy(m)} of the test images right`).join("; ") || "no method is shown") + ".";

  const panels = [
    { of: "loss", title: "final training loss", y: { range: plan.loss_range, log: true } },
    { of: "accuracy", title: "test accuracy", y: { range: [0, 1], percent: true } },
  ];

  function drawStrips(ctx, colours) {
    const rows = visible();
    ctx.textBaseline = "alphabetic";
    const [gap, left, top, bottom] = [24, 40, 40, 38];
    const height = (ctx.cssHeight - top - bottom + gap) / Math.max(rows.length, 1) - gap;
    const width = (ctx.cssWidth - 2 * left - 20) / 2;
    panels.forEach((panel, column) => {
      Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left" });
      ctx.fillText(panel.title, left + column * (width + left + 10), 14);
      rows.forEach((m, row) => {
        const last = row === rows.length - 1;
        const best = plan.best[m.i]; // null where the slider changes nothing
        const x = { range: [values[0], values[values.length - 1]], log: true };
        const f = frame(left + column * (width + left + 10), top + row * (height + gap), width, height, x, panel.y);
        axes(ctx, f, colours, {
          xLabels: last,
          xTitle: last ? plan.axis : "",
          yTitle: panel.of === "loss" ? m.name + (best === null ? "" : `, best at ${rates[best]}`) : "",
          yTicks: height > 70 ? 4 : 2,
        });
        const colour = colourOf(m.style, colours);
        const [low, high] = panel.y.range;
        const at = (j, which) =>
          f.py(Math.min(high, Math.max(low, summaries[panel.of][(m.i * rates.length + j) * 3 + which])));
        ctx.beginPath();
        values.forEach((v, j) => ctx.lineTo(f.px(v), at(j, 2)));
        for (let j = values.length - 1; j >= 0; j--) ctx.lineTo(f.px(values[j]), at(j, 0));
        ctx.globalAlpha = 0.3;
        ctx.fillStyle = colour;
        ctx.fill();
        ctx.globalAlpha = 1;
        polyline(ctx, values.length, (j) => f.px(values[j]), (j) => at(j, 1), { colour });
        Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
        line(ctx, f.px(values[now.lr]), f.top, f.px(values[now.lr]), f.bottom);
        marker(ctx, m.style.marker, f.px(values[now.lr]), at(now.lr, 1), 5, colour, colours.paper);
        if (panel.of === "loss" && best !== null) {
          marker(ctx, "triangle-up", f.px(values[best]), f.bottom + 3, 4.5, colour, colours.paper);
        }
      });
    });
  }

  function drawCurves(ctx, colours) {
    const y = { range: plan.loss_range, log: true };
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 62, { range: [0, plan.steps] }, y);
    axes(ctx, f, colours, { xTitle: "step", yTitle: plan.curve_title + rates[now.lr] });
    const [low, high] = plan.loss_range;
    for (const m of visible()) {
      const from = (m.i * rates.length + now.lr) * points;
      const px = (k) => f.px((k + 0.5) * stride);
      const py = (k) => f.py(Math.min(high, Math.max(low, curves[from + k])));
      const colour = colourOf(m.style, colours);
      polyline(ctx, points, px, py, { colour, dash: m.style.dash });
      marker(ctx, m.style.marker, px(points - 1), py(points - 1), 4.5, colour, colours.paper);
    }
  }

  const strips = element("canvas", { class: "lwlr-strips", role: "img" });
  const curveCanvas = element("canvas", { class: "lwlr-curves", role: "img" });
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    strips.setAttribute("aria-label", said);
    curveCanvas.setAttribute("aria-label", `Training curves. ${said}`);
    list.draw(colours, now.shown, (name) => accuracy(visible().find((m) => m.name === name)));
    const onStrips = fit(strips);
    const onCurves = fit(curveCanvas);
    if (onStrips) drawStrips(onStrips, colours);
    if (onCurves) drawCurves(onCurves, colours);
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const rate = slider(plan.slider, plan.axis, rates, { onInput: (lr) => change({ lr }), onRelease: push });
  const reset = button("reset", "reset", "put everything back as it was", () => {
    change({ ...plan.start });
    rate.show(now.lr);
    push();
  });
  const list = legend(methods, "test accuracy", (name, on) => {
    change({ shown: toggled(methods, now.shown, name, on) });
    push();
  });
  const root = element("div", { class: "lwlr-view lwlr-rates" },
    element("div", { class: "lwlr-controls" }, rate.row, reset),
    element("div", { class: "lwlr-body" }, strips, element("div", { class: "lwlr-side" }, list.root, curveCanvas)));
  return live(model, el, root, ["lr_index", "shown"], { pull, show: () => rate.show(now.lr), draw });
}

export default { render };
