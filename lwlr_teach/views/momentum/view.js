// The momentum view: a map of rate and momentum coloured by the measured speed, with the exact edge and optimum;
// beside it the steps that are needed along the rate, and the run at the sliders' position.
import {
  axes, colourBar, dots, drawCells, fit, heatmap, line, marker, painter, polyline, theme, typed,
} from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, choice, element, live, save, slider } from "../kit/controls.js";

function render({ model, el }) {
  const plan = model.get("plan");
  const factors = typed(Float32Array, model.get("factors")); // (method, condition, momentum, rate)
  const exact = typed(Float32Array, model.get("exact_factors")); // (method, condition, momentum, finer rate)
  const codes = typed(Uint8Array, model.get("codes")); // as factors
  const distances = typed(Uint16Array, model.get("distances")); // (method, condition, momentum, rate, point)
  const { methods, conditions, momenta, rates, fine, values, edges, best } = plan;
  const [R, M, finer] = [rates.length, momenta.length, (rates.length - 1) * fine + 1];
  const points = plan.shown / plan.stride + 1;

  const now = {};
  const pull = () => Object.assign(now, {
    lr: model.get("lr_index"), momentum: model.get("momentum_index"), condition: model.get("condition_index"),
    nesterov: model.get("nesterov"),
  });
  const push = () => save(model, {
    lr_index: now.lr, momentum_index: now.momentum, condition_index: now.condition, nesterov: now.nesterov,
  });

  const method = () => Number(now.nesterov);
  const map = () => method() * conditions.length + now.condition; // which of the maps
  const row = () => map() * M + now.momentum; // which row of all maps
  const measured = (j = now.lr) => factors[row() * R + j];
  const exactly = (j = now.lr * fine) => exact[row() * finer + j];
  const perDigit = (factor) => (factor < 1 ? -1 / Math.log10(factor) : Infinity);

  const meaning = (factor) => {
    if (factor.toFixed(4) === "1.0000") return "which is no nearer and no further";
    return factor > 1 ? "so it diverges" : `ten times closer every ${short(perDigit(factor))} steps`;
  };
  const sentence = () => {
    const { name } = methods[method()];
    return `${name[0].toUpperCase()}${name.slice(1)}, condition number ${conditions[now.condition]}, rate ${rates[now.lr]}, ` +
      `momentum ${momenta[now.momentum]}: each step multiplies the distance by ${measured().toFixed(4)} ` +
      `(exact: ${exactly().toFixed(4)}), ${meaning(measured())}.`;
  };

  // Each position of a slider has a cell on the map, with the position in its middle.
  const cells = (v) => [v[0] - (v[1] - v[0]) / 2, v[v.length - 1] + (v[1] - v[0]) / 2];
  const [rateRange, momentumRange] = [cells(values.rates), cells(values.momenta)];
  const mapFrame = (width, height) =>
    frame(38, 64, width - 50, height - 64 - 42, { range: rateRange }, { range: momentumRange });
  const pictures = new Map();

  function drawMap(ctx, colours) {
    const f = mapFrame(ctx.cssWidth, ctx.cssHeight);
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText("measured steps to come ten times closer (yellow is fast)", f.left, 12);
    colourBar(ctx, f.left, 18, f.width, 9, plan.colours, plan.marks, colours);
    if (!pictures.has(map())) {
      pictures.set(map(), heatmap(codes.subarray(map() * M * R, (map() + 1) * M * R), R, M, plan.colours));
    }
    axes(ctx, f, { ...colours, faint: "transparent" }, { xTitle: "rate, in units of 1/λ of the steepest direction" });
    drawCells(ctx, pictures.get(map()), f);
    Object.assign(ctx, { fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText("momentum β", 2, f.top - 7);

    const halo = colours.dark ? "#000000" : "#ffffff";
    const ink = colours.dark ? "#ffffff" : "#000000";
    // Where the sliders stand.
    const [x, y] = [f.px(values.rates[now.lr]), f.py(values.momenta[now.momentum])];
    for (const [colour, width] of [[halo, 3], [ink, 1]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: 0.7 });
      line(ctx, f.left, y, f.right, y);
      line(ctx, x, f.top, x, f.bottom);
    }
    ctx.globalAlpha = 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top, f.width, f.height);
    ctx.clip();
    const border = edges[method()];
    polyline(ctx, M, (j) => f.px(border[j]), (j) => f.py(values.momenta[j]), { colour: ink, halo, width: 2.2 });
    const [lr, momentum] = best[method()][now.condition];
    marker(ctx, "star", f.px(lr), f.py(momentum), 8, "#ffffff", "#000000");
    ctx.restore();
    Object.assign(ctx, { fillStyle: colours.text, textAlign: "right" });
    ctx.fillText("beyond the exact edge", f.right - 6, f.bottom - 30);
    ctx.fillText("it diverges", f.right - 6, f.bottom - 14);
    const onRight = f.px(lr) < f.right - 110;
    Object.assign(ctx, { textAlign: onRight ? "left" : "right", lineWidth: 3, strokeStyle: halo, lineJoin: "round" });
    const at = [f.px(lr) + (onRight ? 14 : -14), f.py(momentum) + 4];
    ctx.strokeText("exact best", ...at);
    ctx.fillStyle = ink;
    ctx.fillText("exact best", ...at);

    const { style } = methods[method()];
    marker(ctx, style.marker, x, y, 7, style.colour, "#000000");
  }

  function drawCut(ctx, colours) {
    const y = { range: plan.digit, log: true };
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 48, { range: rateRange }, y);
    axes(ctx, f, colours, { yTitle: `steps to come ten times closer, momentum ${momenta[now.momentum]}` });
    const { style } = methods[method()];
    const [low, high] = plan.digit;
    const py = (factor) => f.py(Math.min(high * 10, Math.max(low / 10, perDigit(factor))));
    const step = (values.rates[1] - values.rates[0]) / fine;
    const x = f.px(values.rates[now.lr]);
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1, globalAlpha: 0.5 });
    line(ctx, x, f.top, x, f.bottom);
    ctx.globalAlpha = 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top, f.width, f.height);
    ctx.clip();
    polyline(ctx, finer, (j) => f.px(values.rates[0] + j * step), (j) => py(exactly(j)), { colour: colours.text, width: 1.5 });
    for (let j = 0; j < R; j++) {
      if (measured(j) < 1) marker(ctx, "circle", f.px(values.rates[j]), py(measured(j)), 2.6, style.colour, style.colour);
    }
    ctx.restore();
    const here = Math.min(f.bottom, Math.max(f.top, py(measured())));
    marker(ctx, style.marker, x, here, 5.5, style.colour, colours.paper);
  }

  function drawRun(ctx, colours) {
    const y = { range: plan.distances, log: true };
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 62, { range: [0, plan.shown] }, y);
    axes(ctx, f, colours, { xTitle: "step", yTitle: "distance from the goal: line exact, dots measured" });
    const [from, to] = plan.sent;
    const { style } = methods[method()];
    const first = (row() * R + now.lr) * points;
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top, f.width, f.height);
    ctx.clip();
    // The exact factor, applied at every step: a straight line on this axis.
    const bottom = plan.distances[0] / 100;
    const slope = Math.log10(exactly());
    const end = Math.min(plan.shown, slope ? Math.abs(Math.log10(bottom) / slope) : plan.shown);
    polyline(ctx, 2, (i) => f.px(i * end), (i) => f.py(10 ** (i * end * slope)), { colour: colours.text, width: 1.5 });
    const py = (k) => f.py(10 ** (from + (distances[first + k] / 65535) * (to - from)));
    polyline(ctx, points, (k) => f.px(k * plan.stride), py, { colour: style.colour, width: 1, alpha: 0.5 });
    dots(ctx, points, (k) => f.px(k * plan.stride), py, style.colour);
    ctx.restore();
  }

  const canvases = { map: drawMap, cut: drawCut, run: drawRun };
  const labels = { map: "", cut: "Steps along the rate. ", run: "The run. " };
  const made = Object.fromEntries(
    Object.keys(canvases).map((name) => [name, element("canvas", { class: `lwlr-${name}`, role: "img" })]));
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    words.textContent = said.slice(said.indexOf(": ") + 2);
    for (const [name, canvas] of Object.entries(made)) {
      canvas.setAttribute("aria-label", labels[name] + said);
      const ctx = fit(canvas);
      if (ctx) canvases[name](ctx, colours);
    }
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const control = (name, title, positions) =>
    slider(name, title, positions, { onInput: (value) => change({ [name]: value }), onRelease: push });
  const sliders = [
    ["lr", control("lr", "rate", rates)],
    ["momentum", control("momentum", "momentum β", momenta)],
    ["condition", control("condition", "condition number", conditions)],
  ];
  const [ball, ahead] = methods.map((m) => m.name);
  const kind = choice("method", "method", { [ball]: ball, [ahead]: ahead }, (name) => {
    change({ nesterov: name === ahead });
    push();
  });
  const show = () => {
    for (const [name, s] of sliders) s.show(now[name]);
    kind.show(methods[method()].name);
  };
  const reset = button("reset", "reset", "put everything back as it was", () => {
    const { lr_index: lr, momentum_index: momentum, condition_index: condition, nesterov } = plan.start;
    change({ lr, momentum, condition, nesterov });
    show();
    push();
  });

  // The map answers to the pointer as well: its two axes are the first two sliders.
  const at = (event) => {
    const box = made.map.getBoundingClientRect();
    const f = mapFrame(box.width, box.height);
    const pick = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    change({
      lr: pick((event.clientX - box.left - f.left) / f.width, R),
      momentum: pick((f.bottom - (event.clientY - box.top)) / f.height, M),
    });
    show();
  };
  made.map.addEventListener("pointerdown", (event) => {
    made.map.setPointerCapture(event.pointerId);
    at(event);
  });
  made.map.addEventListener("pointermove", (event) => {
    if (made.map.hasPointerCapture(event.pointerId)) at(event);
  });
  made.map.addEventListener("pointerup", push);

  const words = element("div", { class: "lwlr-words", "aria-hidden": "true" });
  const root = element("div", { class: "lwlr-view lwlr-momentum" },
    element("div", { class: "lwlr-controls" }, ...sliders.map(([, s]) => s.row), kind.row, reset),
    words,
    element("div", { class: "lwlr-body" }, made.map, element("div", { class: "lwlr-side" }, made.cut, made.run)));
  return live(model, el, root, ["lr_index", "momentum_index", "condition_index", "nesterov"], { pull, show, draw });
}

export default { render };
