// The range test view: above the losses of a run whose rate grows, below what whole trainings reach at each
// rate. The suggestions read off above are drawn down to there. Without trainings there is the test alone.
import { dots, line, marker, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { trainings } = plan; // or null
  const values = typed(Float32Array, model.get("curves")); // for each test and smoothing: rates, losses, smoothed
  const final = typed(Float32Array, model.get("final_losses")); // (rate, 3): lowest, middle, highest of the seeds
  let end = 0;
  const curves = plan.lengths.map((row) => row.map((n) => {
    const cut = () => values.subarray(end, (end += n));
    return { n, lr: cut(), losses: cut(), smoothed: cut() };
  }));
  const here = (table) => table[now.steps_index][now.smoothing_index];
  const suggestions = () => plan.looks.map((look, i) => ({ ...look, rate: here(plan.suggestions)[i] }));
  const clamped = (value, [low, high]) => Math.min(high, Math.max(low, value));

  function drawGood(ctx, p) {
    const [low, high] = trainings.good.map(p.px);
    Object.assign(ctx, { globalAlpha: 0.2, fillStyle: plan.good_colour });
    ctx.fillRect(low, p.top, Math.max(high - low, 3), p.height);
    ctx.globalAlpha = 1;
  }

  // The final loss at a rate, on the line between the two rates beside it.
  function reached(rate) {
    const { rates } = trainings;
    const at = (k) => Math.log(clamped(final[3 * k + 1], plan.final));
    const right = Math.min(Math.max(rates.findIndex((r) => r >= rate), 1), rates.length - 1);
    const share = Math.log(rate / rates[right - 1]) / Math.log(rates[right] / rates[right - 1]);
    return Math.exp(at(right - 1) + (at(right) - at(right - 1)) * clamped(share, [0, 1]));
  }

  function draw(ctx, colours) {
    const [left, width] = [46, ctx.cssWidth - 60];
    const x = { title: "learning rate", range: plan.x, log: true };
    const above = view.plot(ctx, colours,
      { left, top: 54, width, height: (trainings ? ctx.cssHeight * 0.5 : ctx.cssHeight - 40) - 54 }, x,
      { title: "loss in the range test", range: plan.y }, trainings ? { xLabels: false, xTitle: "" } : {});
    const below = trainings && view.plot(ctx, colours,
      { left, top: above.bottom + 46, width, height: ctx.cssHeight - above.bottom - 86 }, x,
      { title: `final loss of a training of ${trainings.steps} steps`, range: plan.final, log: true }, { yTicks: 4 });
    for (const p of below ? [above, below] : []) drawGood(ctx, p);

    const { n, lr, losses, smoothed } = here(curves);
    const rate = (i) => lr[i];
    ctx.globalAlpha = 0.45;
    dots(ctx, n, (i) => above.px(lr[i]), (i) => above.py(above.within(losses[i])), colours.text);
    ctx.globalAlpha = 1;
    above.curve({ name: "smoothed loss", n, x: rate, y: (i) => smoothed[i], colour: colours.text, width: 2.5 });

    if (below) drawTrainings(ctx, below, colours);
    const meets = (suggested) => below
      ? below.py(reached(suggested))
      : above.py(above.within(smoothed[lr.findIndex((v) => v >= suggested * 0.999999)]));

    const read = suggestions().filter((s) => s.rate !== null && s.rate >= plan.x[0]).sort((a, b) => a.rate - b.rate);
    read.forEach(({ name, rate: suggested, colour, marker: shape, dash }, i) => {
      const where = above.px(suggested);
      const top = above.top - 26 - 15 * i;
      Object.assign(ctx, { strokeStyle: colour, lineWidth: 1.5 });
      ctx.setLineDash(dash);
      line(ctx, where, top, where, (below ?? above).bottom);
      ctx.setLineDash([]);
      marker(ctx, shape, where, meets(suggested), 6.5, colour, colours.paper);
      marker(ctx, shape, where, top, 5, colour, colours.paper);
      // The left one is named to its left, the right one to its right, as far as there is room.
      const leftwards = where > above.right - 100 || (i < read.length - 1 && where > above.left + 100);
      Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: leftwards ? "right" : "left" });
      ctx.fillText(name, where + (leftwards ? -9 : 9), top + 4);
    });
  }

  function drawTrainings(ctx, p, colours) {
    const [low, high] = trainings.good.map(p.px);
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "center", textBaseline: "alphabetic" });
    ctx.fillText("good", (low + high) / 2, p.bottom - 6);
    const n = trainings.rates.length;
    const at = (which) => (k) => final[3 * k + which];
    const x = (k) => trainings.rates[k];
    p.band({ n, x, low: at(0), high: at(2), colour: colours.text, alpha: 0.25 });
    p.curve({ name: "median", n, x, y: at(1), colour: colours.text });
  }

  const lengths = plan.steps.length > 1 ? [view.slider("steps_index", "steps of the test", plan.steps.map(String))] : [];
  return view.open(trainings ? "range-test" : "range-test short", () => here(plan.sentences),
    element("div", { class: "lwlr-controls" }, ...lengths,
      view.slider("smoothing_index", "smoothing", plan.smoothings), view.reset()),
    view.words(), view.picture("test", draw));
}

export default { render };
