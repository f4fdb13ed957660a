// The surface view: paths of several methods on a map, and their loss curves below.
import { colourOf, dots, line, marker, polyline, relief, typed } from "../kit/canvas.js";
import { button, copyable, element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { label, short } from "../kit/text.js";
import { livePaths, meanLosses, sentPaths } from "./paths.js";
import { sweptRates } from "./rates.js";
import { codeOf, linkOf, stateOf } from "./share.js";
import { heightsOf } from "./relief.js";

// Python writes the programs of each view here, unless they cannot run in a browser. In the module's own text they run
// also where a page forbids to make functions from texts.
const PROGRAMS = /** @type {Programs | null} */ (null);
const PLAY_MS = 5000; // a whole run, when played
const ZOOM = 3; // a press of + shows a third of the map's width
const STAR = 9; // larger than what arrives on it
const FAINT = 0.4; // what begins at the second start
const HINT = "The ring is the start: drag it, or click where the runs shall begin (keys, on the map: the arrows, + and −).";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view; // the plan: what is where in the buffers, and the words
  const { steps, surfaces, labels, free, why } = plan;
  const draws = typed(Float64Array, model.get("draws"));
  const source = () => (PROGRAMS ? livePaths(PROGRAMS, plan, draws) : sentPaths(plan, model));
  const paths = { start: source(), second: source() }; // each remembers one run a method
  const means = { start: meanLosses(plan, source()), second: meanLosses(plan, source()) };
  const methods = plan.methods.map((m, i) => ({ ...m, i }));
  const visible = () => view.visible(methods);
  const scene = () => surfaces[now.surface];
  const reads = (m, name) => free[now.clip][m.i].includes(name);
  const starts = () => (now.second.length ? ["second", "start"] : ["start"]); // the first one is drawn last

  // A method's run, as far as the slider has come: to the step at which it was lost, or to the present one.
  const runOf = (m, from = "start") => {
    const path = paths[from](m, now, now[from]);
    const last = (step) => (path.diverged >= 0 ? Math.min(step, path.diverged) : step);
    return { ...path, last, lost: path.diverged >= 0 && now.step >= path.diverged };
  };

  const outcome = (m, from) => {
    const { lost, diverged, loss } = runOf(m, from);
    const mean = plan.walkers > 1 ? ` (mean of ${plan.walkers}: ${short(means[from](m, now, now[from])[now.step])})` : "";
    return (lost ? `diverges at step ${diverged}` : short(loss(now.step))) + mean;
  };
  const point = (at) => `(${at.map(label).join(", ")})`;
  const sentence = () => {
    const chosen = [["schedule", plan.schedules, "rate"], ["clip", free, ""]]
      .filter(([trait, all]) => all && now[trait] !== Object.keys(all)[0])
      .map(([trait, , word]) => (word ? `, ${now[trait]} ${word}` : `, clipped ${now[trait]}`));
    const start = String(now.start) === String(scene().start) ? "" : `, from ${point(now.start)}`;
    const sliders = ["momentum", "limit"].filter((name) => labels[name]?.length > 1 && methods.some((m) => reads(m, name)))
      .map((name) => `, ${name} ${labels[name][now[`${name}_index`]]}`);
    const more = Object.keys(now.more).filter((name) => plan.values[name][now.more[name]]).map((name) => `, ${plan.titles[name]} ${labels[name][now.more[name]]}`);
    const reached = (from) =>
      visible().map((m) => `${m.name} ${runOf(m, from).lost ? "" : "reaches "}${outcome(m, from)}`).join("; ") || "no method is shown";
    const second = now.second.length ? ` From ${point(now.second)}: ${reached("second")}.` : "";
    return [scene().title, ...chosen, start, `, learning rate ${labels.lr[now.lr_index]}`, ...sliders, ...more,
      `, step ${now.step}: ${reached("start")}.${second}`].join("");
  };

  // --- the map ------------------------------------------------------------------------------------------------

  const part = () => (now.zoom.length ? [now.zoom.slice(0, 2), now.zoom.slice(2)] : scene().bounds);
  /** @type {{ key: string, image: OffscreenCanvas } | null} */
  let picture = null; // the relief, drawn for one surface, size and theme
  function shade(p, ratio, dark) {
    const [w, h] = [Math.round(p.width * ratio), Math.round(p.height * ratio)];
    const key = [now.surface, now.zoom, w, h, dark].join();
    if (picture?.key !== key) {
      const heights = PROGRAMS
        ? heightsOf(PROGRAMS.surfaces[now.surface], scene().lowest, part(), plan.relief)
        : typed(Uint16Array, model.get("relief"));
      picture = { key, image: relief(heights, plan.relief.columns, plan.relief.rows, w, h, dark) };
    }
    return picture.image;
  }

  function drawMap(ctx, colours) {
    const left = now.zoom.length ? 64 : 34; // room for more digits
    const box = { left, top: 8, width: ctx.cssWidth - left - 10, height: ctx.cssHeight - 32 };
    const freely = PROGRAMS ? { trait: "start", free: true } : {};
    const [xAxis, yAxis] = part().map((range, key) => ({ range, key, ...freely }));
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box, xAxis, yAxis);
    if (PROGRAMS) Object.assign(p, { handles: starts().toReversed(), cellAt: (left, top) => readAt(p, left, top) });
    ctx.drawImage(shade(p, ctx.ratio, colours.dark), p.left, p.top, p.width, p.height);
    p.clipped(() => {
      for (const [x, y] of scene().minima) marker(ctx, "star", p.px(x), p.py(y), STAR, "#f0e442", "#333333");
      for (const from of starts()) {
        for (const m of visible()) drawPath(ctx, colours, p, m, from);
        const at = now[from];
        marker(ctx, "circle", p.px(at[0]), p.py(at[1]), PROGRAMS ? 7 : 5, colours.paper, colours.text);
        if (from === "second") marker(ctx, "circle", p.px(at[0]), p.py(at[1]), 3, colours.text, colours.paper);
      }
    });
    // Heads last, so that no path hides them.
    for (const from of starts()) {
      ctx.globalAlpha = from === "start" ? 1 : FAINT;
      for (const m of visible()) drawHead(ctx, p, m, from, colourOf(m.style, colours), colours.paper);
      ctx.globalAlpha = 1;
    }
    // What arrives at the star hides it: its outline is drawn once more.
    p.clipped(() => {
      scene().minima.forEach(([x, y]) => starOutline(ctx, p.px(x), p.py(y)));
      // And a start that lies at a star would be hidden by that: its ring stands around the star.
      for (const from of starts()) ring(ctx, p.px(now[from][0]), p.py(now[from][1]), scene().minima.map(([x, y]) => [p.px(x), p.py(y)]));
    });
  }

  function ring(ctx, x, y, stars) {
    if (!stars.some(([left, top]) => Math.hypot(left - x, top - y) < 2 * STAR)) return;
    marker(ctx, "circle", x, y, STAR + 3, "transparent", "#ffffff");
    marker(ctx, "circle", x, y, STAR + 1.5, "transparent", "#333333");
  }

  function starOutline(ctx, x, y) {
    marker(ctx, "star", x, y, STAR, "transparent", "#333333");
    marker(ctx, "star", x, y, STAR - 1.5, "transparent", "#f0e442");
  }

  // Where no path is, the loss and the gradient are read.
  function readAt({ x, y, ...p }, left, top) {
    if (left < p.left || left > p.right || top < p.top || top > p.bottom) return null;
    const shares = [(left - p.left) / p.width, (p.bottom - top) / p.height];
    const at = [x, y].map(({ range: [low, high] }, axis) => low + shares[axis] * (high - low));
    const gradient = new Float64Array(2);
    const loss = PROGRAMS?.surfaces[now.surface](Float64Array.from(at), gradient) ?? NaN;
    const text = `(${at.map(short).join(", ")}): loss ${short(loss - scene().lowest)}, gradient (${[...gradient].map(short).join(", ")})`;
    return { text, px: left, py: top, away: 12 };
  }

  function drawPath(ctx, colours, p, m, from) {
    const { x, y, loss, last: until } = runOf(m, from);
    const last = until(now.step);
    const [px, py] = [(i) => p.px(x(i)), (i) => p.py(y(i))];
    const colour = colourOf(m.style, colours);
    const halo = colours.dark ? "rgba(0,0,0,0.55)" : "rgba(255,255,255,0.75)";
    const alpha = from === "start" ? 1 : FAINT;
    polyline(ctx, last + 1, px, py, { colour, halo, alpha });
    ctx.globalAlpha = alpha;
    dots(ctx, last, px, py, colour);
    ctx.globalAlpha = 1;
    const says = (i) => `${m.name}: step ${i}, (${short(x(i))}, ${short(y(i))}), loss ${short(loss(i))}`;
    // A click goes to that step; where the path begins, the start is taken.
    p.points({ name: m.name, n: last + 1, x, y, text: says, goes: (i) => (i ? { step: i } : null) });
  }

  // A head that is off the map waits at its border, with an arrow to where it is; a lost one is crossed.
  function drawHead(ctx, p, m, from, colour, paper) {
    const { x, y, last, lost } = runOf(m, from);
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

  // Shows a part of the map that is so many times as wide, around the method that has come furthest down.
  function zoom(times) {
    const runs = visible().map((m) => runOf(m)).filter(({ lost }) => !lost);
    const best = runs.sort((a, b) => a.loss(now.step) - b.loss(now.step))[0];
    const ranges = part().map(([low, high], axis) => {
      const [least, most] = scene().bounds[axis];
      const middle = best ? [best.x, best.y][axis](now.step) : (low + high) / 2;
      const width = Math.min(most - least, (high - low) * times);
      const from = Math.min(most - width, Math.max(least, middle - width / 2));
      return [from, Math.min(most, from + width)];
    });
    const whole = ranges.every(([low, high], axis) => high - low >= 0.999 * (scene().bounds[axis][1] - scene().bounds[axis][0]));
    view.commit({ zoom: whole ? [] : ranges.flat() });
  }

  // --- the curves ---------------------------------------------------------------------------------------------

  function drawCurves(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const x = { title: "step", range: [0, steps], trait: "step" };
    const p = view.plot(ctx, colours, box, x, { title: "loss above the minimum", range: scene().losses, log: true });
    p.rule(now.step, { alpha: 0.5 });
    for (const from of starts()) {
      for (const m of visible()) {
        const { loss, last, lost } = runOf(m, from);
        const end = last(now.step);
        const name = from === "start" ? m.name : `${m.name}, second start`;
        const curve = { ...m, name, x: (i) => i, y: loss };
        // What is still to come is drawn faintly.
        const [strong, faint] = from === "start" ? [1, 0.35] : [FAINT, 0.15];
        if (plan.walkers > 1) drawMean(p, m, from, end, strong);
        if (plan.walkers > 1) {
          p.curve({ ...curve, n: last(steps) + 1, width: 1, alpha: faint });
          continue;
        }
        const all = end === last(steps);
        if (!all) p.curve({ ...curve, n: last(steps) + 1, width: 1.2, alpha: faint });
        p.curve({ ...curve, n: end + 1, quiet: !all, alpha: strong });
        if (from === "start") p.mark(m.style, end, lost ? Infinity : loss(end), lost ? 6 : 4.5);
      }
    }
  }

  // The walker on the map is one of many. Their mean is what the rate does; the rest is wind.
  function drawMean(p, m, from, end, alpha) {
    const mean = means[from](m, now, now[from]);
    const name = `${m.name}, mean of ${plan.walkers}${from === "start" ? "" : ", second start"}`;
    const curve = { ...m, name, x: (i) => i, y: (i) => mean[i], width: 2.5 };
    p.curve({ ...curve, n: steps + 1, width: 1.5, alpha: alpha / 2 });
    p.curve({ ...curve, n: end + 1, quiet: true, alpha });
    if (from === "start") p.mark(m.style, end, mean[end], 4.5);
  }

  const swept = sweptRates(plan, source(), view.draw);
  function drawRates(ctx, colours) {
    const box = { left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 };
    const values = plan.values.lr;
    const title = `${plan.walkers > 1 ? "mean loss" : "loss"} at step ${now.step}`;
    const x = { title: "learning rate", range: [values[0], values.at(-1)], log: true, trait: "lr_index", values };
    const p = view.plot(ctx, colours, box, x, { title, range: scene().losses, log: true });
    const until = swept.deadline();
    for (const m of visible()) {
      const losses = swept.losses(m, now, until);
      p.curve({ ...m, n: losses.length, x: (k) => values[swept.rates[k]], y: (k) => losses[k] });
    }
    p.rule(values[now.lr_index]);
  }
  const strip = view.picture("rates", drawRates, "The loss at every rate. ");
  view.shows.push(() => (strip.hidden = !now.every_rate));

  // --- the controls -------------------------------------------------------------------------------------------

  // A slider that none of the visible methods reads is not there.
  const sliderOf = (trait, title, name, more) => {
    const row = view.slider(trait, title, labels[name], name, more);
    const all = () => (visible().length ? visible() : methods);
    view.shows.push(() => (row.hidden = name !== "noise" && !all().some((m) => reads(m, name))));
    return row;
  };
  const many = (name) => labels[name]?.length > 1;
  const sliders = many("lr") ? [view.slider("lr_index", "learning rate", labels.lr)] : [];
  if (many("momentum")) sliders.push(sliderOf("momentum_index", "momentum β", "momentum"));
  if (many("limit")) sliders.push(sliderOf("limit_index", "limit", "limit"));
  sliders.push(...Object.keys(now.more).filter(many).map((name) => sliderOf("more", plan.titles[name], name, { key: name })));
  sliders.push(view.slider("step", "step", Array.from({ length: steps + 1 }, (_, i) => String(i))));

  const boxes = many("lr") ? [view.check("every_rate", "loss at every rate")] : [];
  const tools = [view.player("step", steps, PLAY_MS), ...boxes];
  if (plan.walkers > 1) {
    tools.push(button("wind", "new wind", "another of the walkers on the map",
      () => view.commit({ wind: (now.wind + 1) % plan.walkers })));
  }
  const map = view.picture("map", drawMap, "", { drags: Boolean(PROGRAMS), keys: Boolean(PROGRAMS) });
  if (PROGRAMS) {
    // It is put down on the other side of the map.
    const across = () => scene().bounds.map(([low, high], axis) => low + high - now.start[axis]);
    tools.push(view.box("second", "second start", () => now.second.length > 0, (on) => ({ second: on ? across() : [] })));
    const closer = button("closer", "+", "zoom in on the lowest loss", () => zoom(1 / ZOOM));
    const wider = button("wider", "−", "zoom out", () => zoom(ZOOM));
    map.addEventListener("keydown", ({ key }) => {
      if (key === "+" || key === "-") zoom(key === "+" ? 1 / ZOOM : ZOOM);
    });
    view.shows.push(() => (wider.disabled = !now.zoom.length));
    tools.push(element("span", { class: "lwlr-zoom", role: "group", "aria-label": "zoom" }, closer, wider));
  }
  /** @type {HTMLElement[]} */
  const texts = []; // of the playground, to take away
  if (plan.code) {
    const offer = (name, hint, textOf) => {
      const made = copyable(name, `copy ${name}`, hint, () => textOf(plan, now));
      made.button.addEventListener("click", () => (made.area.hidden = false));
      view.shows.push(() => (made.area.hidden || (made.area.value = textOf(plan, now))));
      tools.push(made.button);
      texts.push(made.area);
    };
    offer("code", "the Python lines for this picture", codeOf);
    offer("link", "an address that brings this picture back", linkOf);
  }
  const readout = (name) => {
    const m = methods.find((method) => method.name === name);
    return starts().toReversed().map((from) => outcome(m, from)).join(" · ");
  };
  const list = view.legend(methods, "loss above the minimum", readout);
  const choices = [["surface", surfaces], ["schedule", plan.schedules], ["clip", free]]
    .filter(([, all]) => all && Object.keys(all).length > 1)
    .map(([trait, all]) => view.dropdown(trait, trait, Object.keys(all), (value) =>
      (trait === "surface" ? { start: [...surfaces[value].start], second: [], zoom: [] } : {})));
  const end = view.open("surface", sentence,
    ...(choices.length ? [element("div", { class: "lwlr-controls" }, ...choices)] : []),
    element("div", { class: "lwlr-controls" }, ...sliders, ...tools, view.reset()),
    element("div", { class: "lwlr-body" }, map, element("div", { class: "lwlr-side" }, list, view.picture("curves", drawCurves, "Loss curves. "), strip)),
    element("div", { class: "lwlr-hint" }, why || HINT), ...texts);
  const told = plan.code ? stateOf(plan) : {};
  if (Object.keys(told).length) view.commit(told);
  return end;
}

export default { render };
