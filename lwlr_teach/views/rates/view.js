// The rate view: one strip a method, final loss and test accuracy against the learning rate (or against the
// limit of a clip, which then stands wherever it says rate), and the training curves where the slider stands.
import { colourOf, marker, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { percent } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { methods, rates, values, points, stride } = plan;
  const curves = typed(Float32Array, model.get("curves")); // (method, rate, point)
  const summaries = {
    // (method, rate, 3): lowest, middle and highest of the seeds
    loss: typed(Float32Array, model.get("final_losses")),
    accuracy: typed(Float32Array, model.get("accuracies")),
  };
  const visible = () => view.visible(methods);
  const accuracy = (m) => percent(summaries.accuracy[(m.i * rates.length + now.lr_index) * 3 + 1]);
  const sentence = () =>
    `${plan.title}, ${plan.axis} ${rates[now.lr_index]}, after ${plan.steps} steps: ` +
    (visible().map((m) => `${m.name} gets ${accuracy(m)} of the test images right`).join("; ") || "no method is shown") + ".";

  const rateAxis = { title: plan.axis, range: [values[0], values.at(-1)], log: true, trait: "lr_index", values };
  const panels = [
    { of: "loss", title: "final training loss", y: { range: plan.loss_range, log: true } },
    { of: "accuracy", title: "test accuracy", y: { range: [0, 1], percent: true }, text: percent },
  ];

  function drawStrips(ctx, colours) {
    const rows = visible();
    const [gap, left, top, bottom] = [24, 40, 40, 38];
    const height = (ctx.cssHeight - top - bottom + gap) / Math.max(rows.length, 1) - gap;
    const width = (ctx.cssWidth - 2 * left - 20) / 2;
    panels.forEach(({ of, title, y, text }, column) => {
      const from = left + column * (width + left + 10);
      Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
      ctx.fillText(title, from, 14);
      rows.forEach((m, row) => {
        const last = row === rows.length - 1;
        const best = plan.best[m.i]; // null where the slider changes nothing
        const p = view.plot(ctx, colours, { left: from, top: top + row * (height + gap), width, height }, rateAxis, { ...y, title }, {
          xLabels: last,
          xTitle: last ? plan.axis : "",
          yTitle: of === "loss" ? m.name + (best === null ? "" : `, best at ${rates[best]}`) : "",
          yTicks: height > 70 ? 4 : 2,
        });
        const at = (which) => (j) => summaries[of][(m.i * rates.length + j) * 3 + which];
        const n = values.length;
        const x = (j) => values[j];
        p.band({ n, x, low: at(0), high: at(2), colour: colourOf(m.style, colours) });
        p.curve({ name: m.name, style: { ...m.style, dash: [] }, n, x, y: at(1), text });
        p.rule(values[now.lr_index]);
        p.mark(m.style, values[now.lr_index], at(1)(now.lr_index));
        if (of === "loss" && best !== null) {
          marker(ctx, "triangle-up", p.px(values[best]), p.bottom + 3, 4.5, colourOf(m.style, colours), colours.paper);
        }
      });
    });
  }

  function drawCurves(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const y = { title: plan.curve_title + rates[now.lr_index], range: plan.loss_range, log: true };
    const p = view.plot(ctx, colours, box, { title: "step", range: [0, plan.steps] }, y);
    for (const m of visible()) {
      const from = (m.i * rates.length + now.lr_index) * points;
      const [x, loss] = [(k) => (k + 0.5) * stride, (k) => curves[from + k]];
      p.curve({ ...m, n: points, x, y: loss });
      p.mark(m.style, x(points - 1), loss(points - 1), 4.5);
    }
  }

  const list = view.legend(methods, "test accuracy", (name) => accuracy(visible().find((m) => m.name === name)));
  return view.open("rates", sentence,
    element("div", { class: "lwlr-controls" }, view.slider("lr_index", plan.axis, rates, plan.slider), view.reset()),
    element("div", { class: "lwlr-body" }, view.picture("strips", drawStrips),
      element("div", { class: "lwlr-side" }, list, view.picture("curves", drawCurves, "Training curves. "))));
}

export default { render };
