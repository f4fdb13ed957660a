// The transfer view: a row for each arrangement of rates by depth, a dot a seed on the axis of one measure, and a
// square for each arrangement that shows which layers move when.
import { colourOf, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { ROW, rows } from "../kit/rows.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const values = typed(Float32Array, model.get("values")); // (transfer, shots, measure, arrangement, seed)
  const { methods, transfers, shots, seeds, depths } = plan;
  const measures = Object.keys(plan.measures);
  const measure = () => plan.measures[now.measure];
  const gain = () => now.measure === plan.gain;

  const place = () => [transfers.indexOf(now.transfer), now.shots_index, measures.indexOf(now.measure)];
  const here = (table) => place().reduce((part, at) => part[at], table);
  const seedsOf = (i) => {
    const [t, s, m] = place();
    const at = ((t * shots.length + s) * measures.length + m) * methods.length + i;
    return values.subarray(at * seeds, (at + 1) * seeds);
  };
  const where = () => `${now.transfer}, ${shots[now.shots_index]} of each class, ${measure().title}`;
  const sentence = () =>
    `${plan.title}, ${where()}, median over the seeds: ` +
    `${view.visible(methods).map((m) => here(plan.words)[m.i][1]).join("; ") || "no arrangement is shown"}.`;

  const list = rows(view, methods, {
    readout: (i) => here(plan.words)[i][0],
    title: () => (gain() ? "seeds ahead" : "median"),
  });

  // Each layer's share of the rate, the last layer on top; the root of it, so that a twentieth is still seen.
  function drawDepths(ctx, colours) {
    const [layers, columns] = [depths[0].length, depths[0][0].length];
    const p = list.plot(ctx, colours, [4, 6], { range: [0, columns], at: [] });
    list.caption(ctx, colours, 4, "left", "layers");
    const height = (ROW - 10) / layers;
    methods.forEach((_, i) => depths[i].forEach((shares, depth) => {
      const top = list.y0(i) + ROW - 5 - (depth + 1) * height;
      Object.assign(ctx, { fillStyle: colours.text, strokeStyle: colours.text, lineWidth: 0.75 });
      shares.forEach((share, column) => {
        const [from, to] = [column, column + 1].map((c) => Math.round(p.px(c)));
        ctx.globalAlpha = list.faded(i) * Math.sqrt(Math.min(1, Math.max(0, share)));
        ctx.fillRect(from, top, to - from, height);
      });
      ctx.globalAlpha = 0.45 * list.faded(i);
      ctx.strokeRect(p.left, top, p.width, height);
      ctx.globalAlpha = 1;
      const reads = (column) =>
        `${methods[i].name}, layer ${depth + 1} of ${layers}: ${Math.round(100 * shares[column])}% of the rate` +
        ` at step ${plan.steps[column]}`;
      const y = i + (ROW - 5 - (depth + 0.5) * height) / ROW;
      p.points({ name: methods[i].name, n: columns, x: (column) => column + 0.5, y: () => y, text: reads });
    }));
    p.table = {
      title: "each layer's share of the rate", head: ["arrangement", "layer", ...plan.steps.map((step) => `step ${step}`)],
      rows: view.visible(methods).flatMap((m) => depths[m.i].map((shares, depth) => [m.name, depth + 1, ...shares])),
    };
  }

  function drawSeeds(ctx, colours) {
    const { title, brief, hint, range, unit } = measure();
    Object.assign(ctx, { font: colours.font });
    const fits = ctx.measureText(title).width < ctx.cssWidth - 28;
    const p = list.plot(ctx, colours, [14, 14], { title: fits ? title : brief, range });
    const zero = p.px(0);
    if (gain()) {
      list.caption(ctx, colours, zero - 8, "right", "◂ worse than equal rates", "◂ worse", "◂");
      list.caption(ctx, colours, zero + 8, "left", "better ▸", "▸");
    } else {
      list.caption(ctx, colours, p.left, "left", hint, hint.replace("further ", ""));
    }
    methods.forEach((m, i) => {
      const median = here(plan.medians)[i];
      const x = p.px(Math.min(range[1], Math.max(range[0], median)));
      if (gain()) {
        Object.assign(ctx, { globalAlpha: 0.25 * list.faded(i), fillStyle: colourOf(m.style, colours) });
        ctx.fillRect(Math.min(zero, x), list.y0(i) + 3, Math.abs(x - zero), ROW - 6);
        ctx.globalAlpha = 1;
      }
      const own = seedsOf(i);
      list.seeds(ctx, colours, p, i, [...own], median, (s) => `${gain() && own[s] > 0 ? "+" : ""}${short(own[s])}${unit}`);
    });
    if (gain()) p.rule(0, { width: 2 });
    p.table = {
      title: where(), head: ["arrangement", ...Array.from({ length: seeds }, (_, s) => `seed ${s + 1}`)],
      rows: view.visible(methods).map((m) => [m.name, ...seedsOf(m.i)]),
    };
  }

  const several = (choices, part) => (choices.length > 1 ? [part()] : []);
  return list.open("transfer", sentence,
    [
      element("div", { class: "lwlr-controls" },
        ...several(shots, () => view.slider("shots_index", "examples of each class", shots)),
        ...several(transfers, () => view.choice("transfer", "transfer", transfers))),
      element("div", { class: "lwlr-controls" }, view.choice("measure", "what is measured", measures), view.reset()),
    ],
    [list.picture("depths", drawDepths, null), list.picture("gains", drawSeeds)],
    "A dot is a seed (a hollow one lies beyond the axis), the line is the median. A square shows who moves: a row a " +
      "layer, the last one on top, from the first step to the last; the fuller, the larger the layer's share of the rate.");
}

export default { render };
