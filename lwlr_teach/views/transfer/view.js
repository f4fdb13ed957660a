// The transfer view: a row for each arrangement of rates by depth, a dot a seed on the axis of one measure, and a
// square for each arrangement that shows which layers move when.
import { colourOf, fit, line, marker, painter, theme, typed } from "../kit/canvas.js";
import { frame, ticks } from "../kit/geometry.js";
import { tickLabel } from "../kit/text.js";
import { button, choice, element, legend, live, save, slider, toggled } from "../kit/controls.js";

const [TOP, ROW, BOTTOM] = [24, 38, 38]; // view.css has the first two for the names

function render({ model, el }) {
  const plan = model.get("plan");
  const values = typed(Float32Array, model.get("values")); // (transfer, shots, measure, arrangement, seed)
  const { methods, transfers, shots, seeds } = plan;
  const measures = Object.keys(plan.measures);
  const now = {};
  const pull = () => Object.assign(now, {
    transfer: model.get("transfer"), shots: model.get("shots_index"), measure: model.get("measure"), shown: model.get("shown"),
  });
  const push = () => save(model, {
    transfer: now.transfer, shots_index: now.shots, measure: now.measure, shown: now.shown,
  });
  const place = () => [transfers.indexOf(now.transfer), now.shots, measures.indexOf(now.measure)];
  const here = (table) => place().reduce((part, at) => part[at], table);
  const seedsOf = (i) => {
    const [t, s, m] = place();
    const at = ((t * shots.length + s) * measures.length + m) * methods.length + i;
    return values.subarray(at * seeds, (at + 1) * seeds);
  };
  const visible = () => methods.map((m, i) => ({ ...m, i })).filter((m) => now.shown.includes(m.name));
  const sentence = () =>
    `${plan.title}, ${now.transfer}, ${shots[now.shots]} of each class, ${plan.measures[now.measure].title}, ` +
    `median over the seeds: ${visible().map((m) => here(plan.words)[m.i][1]).join("; ") || "no arrangement is shown"}.`;

  const y0 = (i) => TOP + i * ROW;
  const bottom = y0(methods.length);
  const faded = (m) => (now.shown.includes(m.name) ? 1 : 0.15);
  const caption = (ctx, colours, text, x, align) => {
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: align, textBaseline: "alphabetic" });
    ctx.fillText(text, x, 15);
    ctx.font = colours.font;
  };
  function rules(ctx, colours) {
    Object.assign(ctx, { strokeStyle: colours.faint, lineWidth: 1 });
    for (let i = 0; i <= methods.length; i++) line(ctx, 0, y0(i) + 0.5, ctx.cssWidth, y0(i) + 0.5);
  }

  // Each layer's share of the rate, the last layer on top; the root of it, so that a twentieth is still seen.
  function drawDepths(ctx, colours) {
    rules(ctx, colours);
    caption(ctx, colours, "layers", 4, "left");
    const [left, width] = [4, ctx.cssWidth - 10];
    methods.forEach((m, i) => {
      const layers = plan.depths[i];
      const height = (ROW - 10) / layers.length;
      layers.forEach((shares, depth) => {
        const y = y0(i) + ROW - 5 - (depth + 1) * height;
        ctx.fillStyle = ctx.strokeStyle = colours.text;
        shares.forEach((share, column) => {
          const [a, b] = [column, column + 1].map((c) => Math.round(left + (c / shares.length) * width));
          ctx.globalAlpha = faded(m) * Math.sqrt(Math.min(1, Math.max(0, share)));
          ctx.fillRect(a, y, b - a, height);
        });
        ctx.globalAlpha = 0.45 * faded(m);
        ctx.lineWidth = 0.75;
        ctx.strokeRect(left, y, width, height);
      });
      ctx.globalAlpha = 1;
    });
  }

  function drawSeeds(ctx, colours) {
    const { title, brief, hint, range } = plan.measures[now.measure];
    const f = frame(14, TOP, ctx.cssWidth - 28, bottom - TOP, { range }, { range: [0, 1] });
    const gain = now.measure === plan.gain;
    const within = (v) => Math.min(range[1], Math.max(range[0], v));
    rules(ctx, colours);
    Object.assign(ctx, { strokeStyle: colours.faint, lineWidth: 1, fillStyle: colours.text });
    Object.assign(ctx, { font: colours.font, textBaseline: "top", textAlign: "center" });
    for (const value of ticks(f.x, Math.max(2, Math.floor(f.width / 45)))) {
      const x = Math.round(f.px(value)) + 0.5;
      line(ctx, x, TOP, x, bottom);
      ctx.fillText(tickLabel(value, f.x), x, bottom + 5);
    }
    ctx.textAlign = "right";
    ctx.fillText(ctx.measureText(title).width < f.width ? title : brief, f.right, bottom + 21);
    const zero = f.px(0);
    if (gain) {
      caption(ctx, colours, zero > 180 ? "◂ worse than equal rates" : "◂ worse", zero - 8, "right");
      caption(ctx, colours, "better ▸", zero + 8, "left");
    } else caption(ctx, colours, hint, f.left, "left");
    methods.forEach((m, i) => {
      const colour = colourOf(m.style, colours);
      const middle = y0(i) + ROW / 2;
      const x = f.px(within(here(plan.medians)[i]));
      if (gain) {
        ctx.globalAlpha = 0.25 * faded(m);
        ctx.fillStyle = colour;
        ctx.fillRect(Math.min(zero, x), y0(i) + 3, Math.abs(x - zero), ROW - 6);
      }
      // A seed has the same height in every row.
      const spread = (s) => middle + ((s + 0.5) / seeds - 0.5) * (ROW - 12);
      seedsOf(i).forEach((value, s) => {
        ctx.globalAlpha = 0.75 * faded(m);
        ctx.beginPath();
        ctx.arc(f.px(within(value)), spread(s), 2.6, 0, 2 * Math.PI);
        Object.assign(ctx, { fillStyle: colour, strokeStyle: colour, lineWidth: 1.2 });
        if (value === within(value)) ctx.fill();
        else ctx.stroke(); // a hollow one lies beyond the axis
      });
      ctx.globalAlpha = faded(m);
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1.5 });
      line(ctx, x, y0(i) + 3, x, y0(i) + ROW - 3);
      marker(ctx, m.style.marker, x, middle, 5.5, colour, colours.paper);
      ctx.globalAlpha = 1;
    });
    if (gain) {
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 2 });
      line(ctx, zero, TOP, zero, bottom);
    }
  }

  const depths = element("canvas", { class: "lwlr-depths", "aria-hidden": "true" });
  const gains = element("canvas", { class: "lwlr-gains", role: "img" });
  for (const canvas of [depths, gains]) canvas.style.height = `${bottom + BOTTOM}px`;
  const draw = painter(() => {
    const colours = theme();
    gains.setAttribute("aria-label", sentence());
    title.textContent = now.measure === plan.gain ? "better from" : "median";
    list.draw(colours, now.shown, (name) => here(plan.words)[methods.findIndex((m) => m.name === name)][0]);
    for (const row of rows) row.style.borderTopColor = colours.faint;
    for (const [canvas, paint] of [[depths, drawDepths], [gains, drawSeeds]]) {
      const ctx = fit(canvas);
      if (ctx) paint(ctx, colours);
    }
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const same = (list) => Object.fromEntries(list.map((name) => [name, name]));
  const count = slider("shots", "examples of each class", shots, { onInput: (at) => change({ shots: at }), onRelease: push });
  const picker = (name, title, list) => choice(name, title, same(list), (value) => {
    change({ [name]: value });
    push();
  });
  const where = picker("transfer", "transfer", transfers);
  const what = picker("measure", "what is measured", measures);
  const reset = button("reset", "reset", "put everything back as it was", () => {
    const { transfer, shots_index, measure, shown } = plan.start;
    change({ transfer, shots: shots_index, measure, shown });
    show();
    push();
  });
  const list = legend(methods, "", (name, on) => {
    change({ shown: toggled(methods, now.shown, name, on) });
    push();
  });
  const title = list.root.querySelector(".lwlr-legend-title");
  const rows = [...list.root.querySelectorAll(".lwlr-method")];
  const show = () => {
    count.show(now.shots);
    where.show(now.transfer);
    what.show(now.measure);
  };
  const several = (list, part) => (list.length > 1 ? [part] : []);
  const root = element("div", { class: "lwlr-view lwlr-transfer" },
    element("div", { class: "lwlr-controls" }, ...several(shots, count.row), ...several(transfers, where.row)),
    element("div", { class: "lwlr-controls" }, what.row, reset),
    element("div", { class: "lwlr-body" }, list.root, depths, gains),
    element("div", { class: "lwlr-note" },
      "A dot is a seed (a hollow one lies beyond the axis), the line is the median. A square shows who moves: a row a " +
      "layer, the last one on top, from the first step to the last; the fuller, the larger the layer's share of the rate."));
  return live(model, el, root, ["transfer", "shots_index", "measure", "shown"], { pull, show, draw });
}

export default { render };
