// The width view: final loss against the rate, a curve for each width, their best rates marked and joined; and
// beside it the best rate against the width, for all runs.
import { colourOf, marker, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { methods, rates, values, widths, runs } = plan;
  const losses = typed(Float32Array, model.get("losses")); // (run, width, rate)
  const visible = () => view.visible(methods);
  const current = () => runs.indexOf(now.run);
  const loss = (i, rate) => losses[(current() * widths.length + i) * rates.length + rate];
  const best = (i) => plan.best[current()][i];
  const sentence = () =>
    `${plan.title}, ${now.run}, learning rate ${rates[now.lr_index]}, after ${plan.steps} steps: ` +
    (visible().map((m) => `${m.name} has the loss ${short(loss(m.i, now.lr_index))} and is best at ${rates[best(m.i)]}`).join("; ")
      || "no width is shown") + ".";

  // Powers of ten alone would be one or two labels.
  const some = (list) => list.filter((_, j) => j % 2 === 0);
  const rateAxis = {
    title: "learning rate", range: [values[0], values.at(-1)], log: true, at: some(values), labels: some(rates), trait: "lr_index", values,
  };
  const widthAxis = { title: "width", range: [widths[0] / 1.4, widths.at(-1) * 1.4], log: true, at: widths, labels: widths };
  const box = (ctx) => ({ left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 });

  function drawLosses(ctx, colours) {
    const p = view.plot(ctx, colours, box(ctx), rateAxis, { title: `final training loss, ${now.run}`, range: plan.loss_range, log: true });
    const rows = visible();
    for (const m of rows) p.curve({ ...m, n: values.length, x: (j) => values[j], y: (j) => loss(m.i, j) });
    p.rule(values[now.lr_index]);
    /** @type {[number, number][]} */
    const bests = rows.map((m) => [values[best(m.i)], loss(m.i, best(m.i))]);
    p.curve({ n: rows.length, x: (k) => bests[k][0], y: (k) => bests[k][1], colour: colours.text, width: 3, alpha: 0.5, quiet: true });
    rows.forEach((m, k) => p.mark(m.style, ...bests[k], 7));
  }

  function drawBest(ctx, colours) {
    const p = view.plot(ctx, colours, box(ctx), widthAxis, { title: "best rate", range: plan.best_range, log: true });
    runs.forEach((name, r) => {
      const rate = (i) => values[plan.best[r][i]];
      const on = name === now.run;
      p.curve({ name, n: widths.length, x: (i) => widths[i], y: rate, colour: colours.text, width: on ? 3 : 1.5, alpha: on ? 1 : 0.35 });
      if (on) return;
      Object.assign(ctx, { fillStyle: colours.text, textAlign: "right", textBaseline: "top", globalAlpha: 0.7 });
      ctx.fillText(name, p.px(widths.at(-1)) + 10, p.py(rate(widths.length - 1)) + 8);
      ctx.globalAlpha = 1;
    });
    for (const m of visible()) {
      const [x, y] = [p.px(widths[m.i]), p.py(values[best(m.i)])];
      marker(ctx, m.style.marker, x, y, 7, colourOf(m.style, colours), colours.paper);
      Object.assign(ctx, { fillStyle: colours.text, strokeStyle: colours.paper, lineWidth: 4 });
      Object.assign(ctx, { textAlign: "center", textBaseline: "alphabetic", lineJoin: "round" });
      ctx.strokeText(rates[best(m.i)], x, y - 12); // a halo: the line may run through it
      ctx.fillText(rates[best(m.i)], x, y - 12);
    }
  }

  const list = view.legend(methods, "loss at this rate", (name) => short(loss(methods.findIndex((m) => m.name === name), now.lr_index)));
  const which = runs.length > 1 ? [view.choice("run", "run", runs)] : [];
  return view.open("width", sentence,
    element("div", { class: "lwlr-controls" }, view.slider("lr_index", "learning rate", rates), ...which, view.reset()),
    element("div", { class: "lwlr-body" }, view.picture("curves", drawLosses),
      element("div", { class: "lwlr-side" }, list, view.picture("bests", drawBest, "Best rate against width. "))));
}

export default { render };
