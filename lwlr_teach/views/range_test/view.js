// The range test view: above the losses of a run whose rate grows, below what whole trainings reach at each
// rate. The suggestions read off above are drawn down to there.
import { axes, dots, fit, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { button, element, live, save, slider } from "../kit/controls.js";

function render({ model, el }) {
  const plan = model.get("plan");
  const values = typed(Float32Array, model.get("curves")); // for each test and smoothing: rates, losses, smoothed
  const final = typed(Float32Array, model.get("final_losses")); // (rate, 3): lowest, middle, highest of the seeds
  let end = 0;
  const curves = plan.lengths.map((row) => row.map((n) => {
    const cut = () => values.subarray(end, (end += n));
    return { n, lr: cut(), losses: cut(), smoothed: cut() };
  }));
  const now = {};
  const pull = () => Object.assign(now, { test: model.get("steps_index"), smoothing: model.get("smoothing_index") });
  const push = () => save(model, { steps_index: now.test, smoothing_index: now.smoothing });
  const suggestions = () => plan.looks.map((look, i) => ({ ...look, rate: plan.suggestions[now.test][now.smoothing][i] }));
  const clamped = (value, [low, high]) => Math.min(high, Math.max(low, value));

  function drawGood(ctx, f) {
    const [low, high] = plan.good.map(f.px);
    ctx.globalAlpha = 0.2;
    ctx.fillStyle = plan.good_colour;
    ctx.fillRect(low, f.top, Math.max(high - low, 3), f.height);
    ctx.globalAlpha = 1;
  }

  // The final loss at a rate, on the line between the two rates beside it.
  function reached(rate) {
    const rates = plan.rates;
    const at = (k) => Math.log(clamped(final[3 * k + 1], plan.final));
    const right = Math.min(Math.max(rates.findIndex((r) => r >= rate), 1), rates.length - 1);
    const share = Math.log(rate / rates[right - 1]) / Math.log(rates[right] / rates[right - 1]);
    return Math.exp(at(right - 1) + (at(right) - at(right - 1)) * clamped(share, [0, 1]));
  }

  function draw(ctx, colours) {
    const [left, width] = [46, ctx.cssWidth - 60];
    const x = { range: plan.x, log: true };
    const above = frame(left, 54, width, ctx.cssHeight * 0.5 - 54, x, { range: plan.y });
    const below = frame(left, above.bottom + 46, width, ctx.cssHeight - above.bottom - 86, x, { range: plan.final, log: true });
    axes(ctx, above, colours, { yTitle: "loss in the range test", xLabels: false });
    axes(ctx, below, colours, { yTitle: `final loss of a training of ${plan.trained} steps`, xTitle: "learning rate", yTicks: 4 });
    drawGood(ctx, above);
    drawGood(ctx, below);
    const [low, high] = plan.good.map(above.px);
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "center", textBaseline: "alphabetic" });
    ctx.fillText("good", (low + high) / 2, below.bottom - 6);

    const { n, lr, losses, smoothed } = curves[now.test][now.smoothing];
    const px = (i) => above.px(lr[i]);
    ctx.globalAlpha = 0.45;
    dots(ctx, n, px, (i) => above.py(clamped(losses[i], plan.y)), colours.text);
    ctx.globalAlpha = 1;
    polyline(ctx, n, px, (i) => above.py(clamped(smoothed[i], plan.y)), { colour: colours.text, width: 2.5 });

    const many = plan.rates.length;
    const at = (k, which) => below.py(clamped(final[3 * k + which], plan.final));
    ctx.beginPath();
    for (let k = 0; k < many; k++) ctx.lineTo(below.px(plan.rates[k]), at(k, 2));
    for (let k = many - 1; k >= 0; k--) ctx.lineTo(below.px(plan.rates[k]), at(k, 0));
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = colours.text;
    ctx.fill();
    ctx.globalAlpha = 1;
    polyline(ctx, many, (k) => below.px(plan.rates[k]), (k) => at(k, 1), { colour: colours.text });

    const read = suggestions().filter((s) => s.rate !== null).sort((a, b) => a.rate - b.rate);
    read.forEach(({ name, rate, colour, marker: shape, dash }, i) => {
      const where = above.px(rate);
      const top = above.top - 26 - 15 * i;
      Object.assign(ctx, { strokeStyle: colour, lineWidth: 1.5 });
      ctx.setLineDash(dash);
      line(ctx, where, top, where, below.bottom);
      ctx.setLineDash([]);
      marker(ctx, shape, where, below.py(reached(rate)), 6.5, colour, colours.paper);
      marker(ctx, shape, where, top, 5, colour, colours.paper);
      // The left one is named to its left, the right one to its right, as far as there is room.
      const left = where > above.right - 100 || (i < read.length - 1 && where > above.left + 100);
      Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: left ? "right" : "left" });
      ctx.fillText(name, where + (left ? -9 : 9), top + 4);
    });
  }

  const words = element("div", { class: "lwlr-words" });
  const canvas = element("canvas", { class: "lwlr-test", role: "img" });
  const paint = painter(() => {
    const said = plan.sentences[now.test][now.smoothing];
    if (words.textContent !== said) words.textContent = said;
    canvas.setAttribute("aria-label", said);
    const ctx = fit(canvas);
    if (ctx) draw(ctx, theme());
  });
  const change = (part) => {
    Object.assign(now, part);
    paint();
  };
  const steps = slider("steps", "steps of the test", plan.steps.map(String), { onInput: (test) => change({ test }), onRelease: push });
  const smoothing = slider("smoothing", "smoothing", plan.smoothings, {
    onInput: (position) => change({ smoothing: position }), onRelease: push,
  });
  const show = () => {
    steps.show(now.test);
    smoothing.show(now.smoothing);
  };
  const reset = button("reset", "reset", "put everything back as it was", () => {
    change({ test: plan.start.steps_index, smoothing: plan.start.smoothing_index });
    show();
    push();
  });
  const root = element("div", { class: "lwlr-view lwlr-range-test" },
    element("div", { class: "lwlr-controls" }, steps.row, smoothing.row, reset), words, canvas);
  return live(model, el, root, ["steps_index", "smoothing_index"], { pull, show, draw: paint });
}

export default { render };
