// The momentum view: a map of rate and momentum coloured by the measured speed, with the exact edge and optimum;
// beside it the steps that are needed along the rate, and the run at the sliders' position.
import { colourBar, heatmap, line, marker, typed } from "../kit/canvas.js";
import { button, choice, element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const factors = typed(Float32Array, model.get("factors")); // (method, condition, momentum, rate)
  const exact = typed(Float32Array, model.get("exact_factors")); // (method, condition, momentum, finer rate)
  const codes = typed(Uint8Array, model.get("codes")); // as factors
  const distances = typed(Uint16Array, model.get("distances")); // (method, condition, momentum, rate, point)
  const { methods, conditions, momenta, rates, fine, values, edges, best } = plan;
  const [R, M, finer] = [rates.length, momenta.length, (rates.length - 1) * fine + 1];
  const points = plan.shown / plan.stride + 1;

  const method = () => Number(now.nesterov);
  const style = () => methods[method()].style;
  const map = () => method() * conditions.length + now.condition_index; // which of the maps
  const row = () => map() * M + now.momentum_index; // which row of all maps
  const measured = (j = now.lr_index) => factors[row() * R + j];
  const exactly = (j = now.lr_index * fine) => exact[row() * finer + j];
  const perDigit = (factor) => (factor < 1 ? -1 / Math.log10(factor) : Infinity);

  const meaning = (factor) => {
    if (factor.toFixed(4) === "1.0000") return "which is no nearer and no further";
    return factor > 1 ? "so it diverges" : `ten times closer every ${short(perDigit(factor))} steps`;
  };
  const effect = () =>
    `each step multiplies the distance by ${measured().toFixed(4)} (exact: ${exactly().toFixed(4)}), ${meaning(measured())}.`;
  const sentence = () => {
    const { name } = methods[method()];
    return `${name[0].toUpperCase()}${name.slice(1)}, condition number ${conditions[now.condition_index]}, ` +
      `rate ${rates[now.lr_index]}, momentum ${momenta[now.momentum_index]}: ${effect()}`;
  };

  // Each position of a slider has a cell on the map, with the position in its middle.
  const axis = (title, trait, v) =>
    ({ title, trait, values: v, range: [v[0] - (v[1] - v[0]) / 2, v[v.length - 1] + (v[1] - v[0]) / 2] });
  const rateAxis = axis("rate", "lr_index", values.rates);
  const momentumAxis = axis("momentum β", "momentum_index", values.momenta);

  function drawMap(ctx, colours) {
    const box = { left: 38, top: 64, width: ctx.cssWidth - 50, height: ctx.cssHeight - 64 - 42 };
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box, rateAxis, momentumAxis,
      { xTitle: "rate, in units of 1/λ of the steepest direction", yTitle: "" });
    Object.assign(ctx, { fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText("measured steps to come ten times closer (yellow is fast)", p.left, 12, ctx.cssWidth - p.left);
    ctx.fillText("momentum β", 2, p.top - 7);
    colourBar(ctx, p.left, 18, p.width, 9, plan.colours, plan.marks, colours);
    const first = map() * M * R;
    p.cells(heatmap(codes.subarray(first, first + M * R), R, M, plan.colours), R, M, (r, m) => {
      const factor = factors[first + m * R + r];
      return { text: `rate ${rates[r]}, momentum ${momenta[m]}: × ${factor.toFixed(4)} a step, ${meaning(factor)}` };
    });

    const [halo, ink] = colours.dark ? ["#000000", "#ffffff"] : ["#ffffff", "#000000"];
    // Where the sliders stand.
    const [x, y] = [p.px(values.rates[now.lr_index]), p.py(values.momenta[now.momentum_index])];
    for (const [colour, width] of [[halo, 3], [ink, 1]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: 0.7 });
      line(ctx, p.left, y, p.right, y);
      line(ctx, x, p.top, x, p.bottom);
    }
    ctx.globalAlpha = 1;
    const border = edges[method()];
    const [lr, momentum] = best[method()][now.condition_index];
    p.curve({ n: M, x: (j) => border[j], y: (j) => values.momenta[j], colour: ink, halo, width: 2.2, quiet: true });
    p.clipped(() => marker(ctx, "star", p.px(lr), p.py(momentum), 8, "#ffffff", "#000000"));
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "right", textBaseline: "alphabetic" });
    ctx.fillText("beyond the exact edge", p.right - 6, p.bottom - 30);
    ctx.fillText("it diverges", p.right - 6, p.bottom - 14);
    const onRight = p.px(lr) < p.right - 110;
    Object.assign(ctx, { textAlign: onRight ? "left" : "right", lineWidth: 3, strokeStyle: halo, lineJoin: "round", fillStyle: ink });
    const at = [p.px(lr) + (onRight ? 14 : -14), p.py(momentum) + 4];
    ctx.strokeText("exact best", ...at);
    ctx.fillText("exact best", ...at);
    marker(ctx, style().marker, x, y, 7, style().colour, "#000000");
  }

  function drawCut(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const y = { title: `steps to come ten times closer, momentum ${momenta[now.momentum_index]}`, range: plan.digit, log: true };
    const p = view.plot(ctx, colours, box, rateAxis, y);
    const step = (values.rates[1] - values.rates[0]) / fine;
    const rate = (j) => (j % fine ? values.rates[0] + j * step : values.rates[j / fine]);
    const [here, steps] = [values.rates[now.lr_index], (j) => perDigit(measured(j))];
    p.rule(here, { alpha: 0.5 });
    p.curve({ name: "exact", n: finer, x: rate, y: (j) => perDigit(exactly(j)), colour: colours.text, width: 1.5 });
    p.scatter({ name: "measured", n: R, x: (j) => values.rates[j], y: steps, colour: style().colour });
    p.mark(style(), here, steps(now.lr_index), 5.5);
  }

  function drawRun(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const y = { title: "distance from the goal: line exact, dots measured", range: plan.distances, log: true };
    const p = view.plot(ctx, colours, box, { title: "step", range: [0, plan.shown] }, y);
    const [from, to] = plan.sent;
    const first = (row() * R + now.lr_index) * points;
    const [x, distance] = [(k) => k * plan.stride, (k) => 10 ** (from + (distances[first + k] / 65535) * (to - from))];
    // The exact factor, applied at every step: a straight line on this axis.
    p.curve({ name: "exact", n: points, x, y: (k) => exactly() ** x(k), colour: colours.text, width: 1.5 });
    p.curve({ name: "measured", n: points, x, y: distance, colour: style().colour, width: 1, alpha: 0.5 });
    p.scatter({ n: points, x, y: distance, colour: style().colour, quiet: true });
  }

  // The cell that was measured fastest. The star itself lies between cells, and close to the edge the nearest one may
  // be beyond it.
  function fastest() {
    const cells = factors.subarray(map() * M * R, (map() + 1) * M * R);
    const at = cells.reduce((best, factor, i) => (factor < cells[best] ? i : best), 0);
    return { lr_index: at % R, momentum_index: Math.floor(at / R) };
  }
  const go = button("best", "go to the fastest", "the setting that was measured fastest, near the star",
    () => view.commit(fastest()));
  const names = methods.map((m) => m.name);
  const kind = choice("method", "method", Object.fromEntries(names.map((name) => [name, name])),
    (name) => view.commit({ nesterov: name === names[1] }));
  view.shows.push(() => kind.show(names[method()]));
  return view.open("momentum", sentence,
    element("div", { class: "lwlr-controls" }, view.slider("lr_index", "rate", rates),
      view.slider("momentum_index", "momentum β", momenta), view.slider("condition_index", "condition number", conditions),
      kind.row, go, view.reset()),
    view.words(effect),
    element("div", { class: "lwlr-body" }, view.picture("map", drawMap, "", { drags: true }),
      element("div", { class: "lwlr-side" }, view.picture("cut", drawCut, "Steps along the rate. "),
        view.picture("run", drawRun, "The run. "))));
}

export default { render };
