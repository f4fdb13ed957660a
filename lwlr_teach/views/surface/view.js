// The surface view: paths of several methods on a map, and their loss curves below.
import { colourOf, dots, line, marker, polyline, relief, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

const PLAY_MS = 5000; // a whole run, when played

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view; // the plan: what is where in the buffers, and the words
  const points = typed(Uint16Array, model.get("paths"));
  const losses = typed(Float32Array, model.get("losses"));
  const events = typed(Int32Array, model.get("diverged"));
  const heights = typed(Uint16Array, model.get("relief"));
  const { methods, steps, map, rates, momenta, limits } = plan;
  const length = steps + 1;
  const visible = () => view.visible(methods);

  // Where a method's run at the present position begins, counted in runs.
  const runOf = (m) => {
    const momentum = now.lr_index * m.momenta + (m.momenta > 1 ? now.momentum_index : 0);
    return m.first + momentum * m.limits + (m.limits > 1 ? now.limit_index : 0);
  };
  const divergedAt = (m) => events[runOf(m)];
  const lost = (m) => divergedAt(m) >= 0 && now.step >= divergedAt(m);
  const lossAt = (m) => (step) => losses[runOf(m) * length + step];
  const lastDrawn = (m, step) => (divergedAt(m) >= 0 ? Math.min(step, divergedAt(m)) : step);

  const outcome = (m) => (lost(m) ? `diverges at step ${divergedAt(m)}` : short(lossAt(m)(now.step)));
  const sentence = () => {
    const memory = momenta.length > 1 ? `, momentum ${momenta[now.momentum_index]}` : "";
    const limit = limits.length > 1 ? `, limit ${limits[now.limit_index]}` : "";
    const each = visible().map((m) => `${m.name} ${lost(m) ? "" : "reaches "}${outcome(m)}`);
    return `${plan.title}, learning rate ${rates[now.lr_index]}${memory}${limit}, step ${now.step}: ` +
      (each.join("; ") || "no method is shown") + ".";
  };

  // A method's path: where it is after step i. It is sent in parts of a window around the map.
  const pathOf = (m) => {
    const from = runOf(m) * length * 2;
    const [x, y] = map.window.map(([low, high], axis) => (i) => low + (points[from + 2 * i + axis] / 65535) * (high - low));
    return { x, y, last: lastDrawn(m, now.step) };
  };
  /** @type {{ key: string, image: OffscreenCanvas } | null} */
  let picture = null; // the relief, drawn for one size and theme

  function drawMap(ctx, colours) {
    const box = { left: 34, top: 8, width: ctx.cssWidth - 44, height: ctx.cssHeight - 32 };
    const [xAxis, yAxis] = map.bounds.map((range) => ({ range }));
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box, xAxis, yAxis);
    const key = [p.width, p.height, ctx.ratio, colours.dark].join();
    if (picture?.key !== key) {
      const [w, h] = [Math.round(p.width * ctx.ratio), Math.round(p.height * ctx.ratio)];
      picture = { key, image: relief(heights, map.columns, map.rows, w, h, colours.dark) };
    }
    ctx.drawImage(picture.image, p.left, p.top, p.width, p.height);
    p.clipped(() => {
      for (const [x, y] of map.minima) marker(ctx, "star", p.px(x), p.py(y), 7, "#f0e442", "#333333");
      for (const m of visible()) {
        const { x, y, last } = pathOf(m);
        const [px, py] = [(i) => p.px(x(i)), (i) => p.py(y(i))];
        const colour = colourOf(m.style, colours);
        polyline(ctx, last + 1, px, py, { colour, halo: colours.dark ? "rgba(0,0,0,0.55)" : "rgba(255,255,255,0.75)" });
        dots(ctx, last, px, py, colour);
        const says = (i) => `${m.name}: step ${i}, (${short(x(i))}, ${short(y(i))}), loss ${short(lossAt(m)(i))}`;
        p.points({ name: m.name, n: last + 1, x, y, text: says });
      }
      marker(ctx, "circle", p.px(map.start[0]), p.py(map.start[1]), 5, colours.paper, colours.text);
    });
    // Heads last, so that no path hides them.
    for (const m of visible()) drawHead(ctx, p, m, colourOf(m.style, colours), colours.paper);
  }

  // A head that is off the map waits at its border, with an arrow to where it is; a lost one is crossed.
  function drawHead(ctx, p, m, colour, paper) {
    const { x, y, last } = pathOf(m);
    const [px, py] = [p.px(x(last)), p.py(y(last))];
    const off = px < p.left || px > p.right || py < p.top || py > p.bottom;
    const inset = off ? 17 : 0; // room for the arrow
    const hx = Math.min(p.right - inset, Math.max(p.left + inset, px));
    const hy = Math.min(p.bottom - inset, Math.max(p.top + inset, py));
    if (off) {
      ctx.save();
      ctx.translate(hx, hy);
      ctx.rotate(Math.atan2(py - hy, px - hx) + Math.PI / 2);
      marker(ctx, "triangle-up", 0, -12, 5, colour, paper);
      ctx.restore();
    }
    marker(ctx, m.style.marker, hx, hy, 6.5, colour, paper);
    if (!lost(m)) return;
    Object.assign(ctx, { strokeStyle: paper, lineWidth: 2 });
    line(ctx, hx - 3.5, hy - 3.5, hx + 3.5, hy + 3.5);
    line(ctx, hx - 3.5, hy + 3.5, hx + 3.5, hy - 3.5);
  }

  function drawCurves(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const title = "loss above the minimum";
    const p = view.plot(ctx, colours, box, { title: "step", range: [0, steps], trait: "step" }, { title, range: map.losses, log: true });
    p.rule(now.step, { alpha: 0.5 });
    for (const m of visible()) {
      const [loss, end] = [lossAt(m), lastDrawn(m, now.step)];
      const curve = { ...m, x: (i) => i, y: loss };
      // What is still to come is drawn faintly.
      p.curve({ ...curve, n: lastDrawn(m, steps) + 1, width: 1.2, alpha: 0.35 });
      p.curve({ ...curve, n: end + 1, quiet: true });
      p.mark(m.style, end, lost(m) ? Infinity : loss(end), lost(m) ? 6 : 4.5);
    }
  }

  const sliders = [view.slider("lr_index", "learning rate", rates)];
  if (momenta.length > 1) sliders.push(view.slider("momentum_index", "momentum β", momenta));
  if (limits.length > 1) sliders.push(view.slider("limit_index", "limit", limits));
  sliders.push(view.slider("step", "step", Array.from({ length }, (_, i) => String(i))));
  const list = view.legend(methods, "loss above the minimum", (name) => outcome(methods.find((m) => m.name === name)));
  return view.open("surface", sentence,
    element("div", { class: "lwlr-controls" }, ...sliders, view.player("step", steps, PLAY_MS), view.reset()),
    element("div", { class: "lwlr-body" }, view.picture("map", drawMap),
      element("div", { class: "lwlr-side" }, list, view.picture("curves", drawCurves, "Loss curves. "))));
}

export default { render };
