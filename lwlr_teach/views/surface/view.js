// The surface view: paths of several methods on a map, and their loss curves below.
import { colourOf, dots, line, marker, polyline, relief, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { label, short } from "../kit/text.js";
import { livePaths, sentPaths } from "./paths.js";

// Python writes the programs of each view here, unless they cannot run in a browser. In the module's own text they run
// also where a page forbids to make functions from texts.
const PROGRAMS = /** @type {Programs | null} */ (null);
const PLAY_MS = 5000; // a whole run, when played
const STRIP = 41; // rates
const HINT = "The ring is the start: drag it, or click where the runs shall begin (keys: the arrows, on the map).";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view; // the plan: what is where in the buffers, and the words
  const heights = typed(Uint16Array, model.get("relief"));
  const { steps, map, rates, momenta, limits } = plan;
  const draws = typed(Float64Array, model.get("draws"));
  const paths = PROGRAMS ? livePaths(PROGRAMS, plan, draws) : sentPaths(plan, model);
  const methods = plan.methods.map((m, i) => ({ ...m, i }));
  const visible = () => view.visible(methods);

  // A method's run, as far as the slider has come: to the step at which it was lost, or to the present one.
  const runOf = (m) => {
    const path = paths(m, now);
    const last = (step) => (path.diverged >= 0 ? Math.min(step, path.diverged) : step);
    return { ...path, last, lost: path.diverged >= 0 && now.step >= path.diverged };
  };

  const outcome = (m) => {
    const { lost, diverged, loss } = runOf(m);
    return lost ? `diverges at step ${diverged}` : short(loss(now.step));
  };
  const sentence = () => {
    const start = String(now.start) === String(plan.start.start) ? "" : `, from (${now.start.map(label).join(", ")})`;
    const memory = momenta.length > 1 ? `, momentum ${momenta[now.momentum_index]}` : "";
    const limit = limits.length > 1 ? `, limit ${limits[now.limit_index]}` : "";
    const each = visible().map((m) => `${m.name} ${runOf(m).lost ? "" : "reaches "}${outcome(m)}`);
    return `${plan.title}${start}, learning rate ${rates[now.lr_index]}${memory}${limit}, step ${now.step}: ` +
      (each.join("; ") || "no method is shown") + ".";
  };

  /** @type {{ key: string, image: OffscreenCanvas } | null} */
  let picture = null; // the relief, drawn for one size and theme

  function drawMap(ctx, colours) {
    const box = { left: 34, top: 8, width: ctx.cssWidth - 44, height: ctx.cssHeight - 32 };
    const freely = PROGRAMS ? { trait: "start", free: true } : {};
    const [xAxis, yAxis] = map.bounds.map((range, key) => ({ range, key, ...freely }));
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
        const { x, y, loss, last: until } = runOf(m);
        const last = until(now.step);
        const [px, py] = [(i) => p.px(x(i)), (i) => p.py(y(i))];
        const colour = colourOf(m.style, colours);
        polyline(ctx, last + 1, px, py, { colour, halo: colours.dark ? "rgba(0,0,0,0.55)" : "rgba(255,255,255,0.75)" });
        dots(ctx, last, px, py, colour);
        const says = (i) => `${m.name}: step ${i}, (${short(x(i))}, ${short(y(i))}), loss ${short(loss(i))}`;
        // A click goes to that step; where the path begins, the start is taken.
        p.points({ name: m.name, n: last + 1, x, y, text: says, goes: (i) => (i ? { step: i } : null) });
      }
      marker(ctx, "circle", p.px(now.start[0]), p.py(now.start[1]), PROGRAMS ? 7 : 5, colours.paper, colours.text);
    });
    // Heads last, so that no path hides them.
    for (const m of visible()) drawHead(ctx, p, m, colourOf(m.style, colours), colours.paper);
  }

  // A head that is off the map waits at its border, with an arrow to where it is; a lost one is crossed.
  function drawHead(ctx, p, m, colour, paper) {
    const { x, y, last, lost } = runOf(m);
    const [px, py] = [p.px(x(last(now.step))), p.py(y(last(now.step)))];
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
    if (!lost) return;
    Object.assign(ctx, { strokeStyle: paper, lineWidth: 2 });
    line(ctx, hx - 3.5, hy - 3.5, hx + 3.5, hy + 3.5);
    line(ctx, hx - 3.5, hy + 3.5, hx + 3.5, hy - 3.5);
  }

  function drawCurves(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const x = { title: "step", range: [0, steps], trait: "step" };
    const p = view.plot(ctx, colours, box, x, { title: "loss above the minimum", range: map.losses, log: true });
    p.rule(now.step, { alpha: 0.5 });
    for (const m of visible()) {
      const { loss, last, lost } = runOf(m);
      const end = last(now.step);
      const curve = { ...m, x: (i) => i, y: loss };
      // What is still to come is drawn faintly.
      p.curve({ ...curve, n: last(steps) + 1, width: 1.2, alpha: 0.35 });
      p.curve({ ...curve, n: end + 1, quiet: true });
      p.mark(m.style, end, lost ? Infinity : loss(end), lost ? 6 : 4.5);
    }
  }

  // Where a run with each of some forty rates would end, from the present start.
  const every = Math.ceil(rates.length / STRIP);
  const swept = rates.map((_, j) => j).filter((j) => j % every === 0);
  const elsewhere = PROGRAMS ? livePaths(PROGRAMS, plan, draws) : paths; // computed paths remember one run a method
  const ends = methods.map(() => ({ key: "", losses: [] }));
  function endsOf(m) {
    const own = ends[m.i];
    const key = [now.start, now.momentum_index, now.limit_index].join();
    if (own.key !== key) {
      const losses = swept.map((lr_index) => {
        const { diverged, loss } = elsewhere(m, { ...now, lr_index });
        return diverged >= 0 ? Infinity : loss(steps);
      });
      Object.assign(own, { key, losses });
    }
    return own.losses;
  }

  function drawRates(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const values = plan.values.lr;
    const title = `loss after ${steps} steps`;
    const x = { title: "learning rate", range: [values[0], values.at(-1)], log: true, trait: "lr_index", values };
    const p = view.plot(ctx, colours, box, x, { title, range: map.losses, log: true });
    for (const m of visible()) {
      const losses = endsOf(m);
      p.curve({ ...m, n: swept.length, x: (k) => values[swept[k]], y: (k) => losses[k] });
    }
    p.rule(values[now.lr_index]);
  }
  const strip = view.picture("rates", drawRates, "The loss at every rate. ");
  view.shows.push(() => (strip.hidden = !now.every_rate));

  const sliders = [view.slider("lr_index", "learning rate", rates)];
  if (momenta.length > 1) sliders.push(view.slider("momentum_index", "momentum β", momenta));
  if (limits.length > 1) sliders.push(view.slider("limit_index", "limit", limits));
  sliders.push(view.slider("step", "step", Array.from({ length: steps + 1 }, (_, i) => String(i))));
  const sweeps = rates.length > 1 ? [view.check("every_rate", "loss at every rate")] : [];
  const list = view.legend(methods, "loss above the minimum", (name) => outcome(methods.find((m) => m.name === name)));
  const moves = Boolean(PROGRAMS);
  return view.open("surface", sentence,
    element("div", { class: "lwlr-controls" }, ...sliders, view.player("step", steps, PLAY_MS), ...sweeps, view.reset()),
    element("div", { class: "lwlr-body" }, view.picture("map", drawMap, "", { drags: moves, keys: moves }),
      element("div", { class: "lwlr-side" }, list, view.picture("curves", drawCurves, "Loss curves. "), strip)),
    element("div", { class: "lwlr-hint" }, plan.why || HINT));
}

export default { render };
