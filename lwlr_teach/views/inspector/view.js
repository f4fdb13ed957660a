// The layer inspector: for each recording a heat map, one row a layer, and below it the same numbers as lines.
import { colourBar, heatmap, line, typed } from "../kit/canvas.js";
import { button, element } from "../kit/controls.js";
import { ticks } from "../kit/geometry.js";
import { stage } from "../kit/stage.js";
import { short, tickLabel } from "../kit/text.js";

const PLAY_MS = 6000; // a whole run, when played
const [ROW, LEAST, MOST] = [15, 90, 400]; // heights of a row and of all rows, in pixels
const [NAMED, TALLEST] = [11, 900]; // with more rows than there is room for, each is still high enough for its name
const [TOP, RIGHT] = [52, 74]; // above the rows stands the scale, right of them a word
const SMALL = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const MARKED = 16; // with more lines than this, only those that the sentence names have a marker, and the list is below

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { names, layers, steps, lengths, quantities } = plan;
  const values = typed(Float32Array, model.get("values")); // (run, quantity, layer, step)
  const [L, S] = [layers.length, steps.length];
  const runs = names.map((_, run) => run);
  const visible = () => view.visible(layers);
  const quantity = () => quantities.find((q) => q.name === now.quantity);
  const numbers = quantities.map((q) => q.name);
  const place = (name, run, i) => ((run * numbers.length + numbers.indexOf(name)) * L + i) * S;
  const value = (run, i, k = now.step_index, name = now.quantity) => values[place(name, run, i) + k];
  const titled = (run, text) => (runs.length > 1 ? `${names[run]}: ${text}` : text);

  // As `standing` in view.py.
  function standing(run) {
    const rows = visible().map(({ i }) => i);
    const at = (name, i) => value(run, i, now.step_index, name);
    const exploding = rows.filter((i) =>
      at("relative_update", i) > 1 || !Number.isFinite(at("weight_norm", i)) ||
      (!Number.isFinite(at("grad_norm", i)) && at("update_norm", i) !== 0));
    const still = rows.filter((i) => at("update_norm", i) === 0 && !exploding.includes(i));
    const leftOut = plan.speeds.includes(now.quantity) ? still : [];
    const ranked = rows.filter((i) => !leftOut.includes(i) && !Number.isNaN(value(run, i)));
    const best = (better) => ranked.reduce((a, b) => (better(value(run, b), value(run, a)) ? b : a), ranked[0]);
    return { rows, highest: best((v, w) => v > w), lowest: best((v, w) => v <= w), still, exploding };
  }
  const extremeWords = () => (plan.speeds.includes(now.quantity) ? ["fastest", "slowest"] : ["highest", "lowest"]);
  const number = (v) => (Number.isNaN(v) ? "no number" : short(v));
  const at = (v) => (Number.isNaN(v) ? "without a number" : `at ${short(v)}`);
  const listed = (rows) => {
    const all = rows.map((i) => layers[i].name);
    if (all.length <= plan.named) return all.join(", ");
    return `${all.slice(0, plan.named - 1).join(", ")} and ${all.length - plan.named + 1} more`;
  };
  function extremes(run, highest, lowest) {
    const [high, low] = [value(run, highest), value(run, lowest)];
    if (highest !== lowest && short(high) === short(low)) {
      const known = !visible().some(({ i }) => Number.isNaN(value(run, i)));
      const who = plan.speeds.includes(now.quantity) ? " that move" : known ? "" : " with a number";
      return `all${who} are at ${short(high)}`;
    }
    const [most, least] = extremeWords();
    const said = `${most} is ${layers[highest].name} at ${short(high)}`;
    if (highest === lowest) return said;
    if (low <= 0) return `${said}, ${least} is ${layers[lowest].name} at ${short(low)}`;
    return `${said}, ${short(high / low)} times the ${least}, ${layers[lowest].name}, at ${short(low)}`;
  }
  // `brief` leaves out what the picture says at a glance.
  function state(run, brief = false) {
    const { rows, highest, lowest, still, exploding } = standing(run);
    if (!rows.length) return "no layer is shown";
    if (now.step_index >= lengths[run]) return "the recording has ended";
    const parts = [];
    if (highest !== undefined) parts.push(extremes(run, highest, lowest));
    else if (still.length < rows.length) parts.push("no layer that moves has a number here");
    if (rows.length > 1 && !brief) {
      const [first, last] = [rows[0], rows[rows.length - 1]];
      parts.push(`the first layer, ${layers[first].name}, is ${at(value(run, first))} ` +
        `and the last, ${layers[last].name}, ${at(value(run, last))}`);
    }
    if (still.length === rows.length) parts.push("every layer stands still");
    else if (still.length && !brief) parts.push(`standing still: ${listed(still)}`);
    if (exploding.length) parts.push(`exploding: ${listed(exploding)}`);
    return parts.join("; ");
  }
  const sentence = () => {
    const head = `${plan.title}, ${quantity().title}, step ${steps[now.step_index]}`;
    if (runs.length === 1) return `${head}: ${state(0)}.`;
    return [`${head}.`, ...runs.map((run) => `${names[run]}: ${state(run)}.`)].join(" ");
  };

  const words = () => runs.map((run) => (runs.length === 1 ? "" : `${names[run]}: `) + `${state(run, true)}.`).join(" ");

  // Where a number stands on the colour scale, 0 to 1.
  const share = (v) => {
    const { range: [low, high], log } = quantity();
    const t = log ? Math.log10(v / low) / Math.log10(high / low) : (v - low) / (high - low);
    return Math.min(1, Math.max(0, t));
  };
  const table = [...plan.colours, plan.grey];
  const N = plan.colours.length;
  const colourNumber = (v) => {
    if (!Number.isFinite(v)) return 255;
    if (v === 0 && quantity().log) return N;
    return Math.min(N - 1, Math.floor(share(v) * N));
  };

  // All steps have cells of one width. Where their distances differ, the ticks stand accordingly.
  const places = new Map(steps.map((step, k) => [step, k]));
  function warp(step) {
    if (places.has(step) || S === 1) return places.get(step) ?? step - steps[0];
    const found = steps.findIndex((other) => other >= step);
    const next = found < 0 ? S - 1 : Math.max(1, found);
    return next - (steps[next] - step) / (steps[next] - steps[next - 1]);
  }
  const ends = S > 1 ? [(3 * steps[0] - steps[1]) / 2, (3 * steps[S - 1] - steps[S - 2]) / 2] : [steps[0] - 0.5, steps[0] + 0.5];
  const stepAxis = { title: "step", range: ends, warp, trait: "step_index", values: steps };
  const chosen = () => [now.quantity, ...now.shown].join("\n");
  const labelWidth = (ctx) => {
    ctx.font = SMALL;
    const widest = Math.max(30, ...visible().map(({ name }) => ctx.measureText(name).width));
    return Math.min(widest + 10, Math.max(60, ctx.cssWidth * 0.36));
  };
  const elided = (ctx, name, width) => {
    if (ctx.measureText(name).width <= width) return name;
    let from = 1;
    while (from < name.length && ctx.measureText(`…${name.slice(from)}`).width > width) from++;
    return `…${name.slice(from)}`;
  };

  function drawMap(ctx, colours, pointed, run) {
    const rows = visible();
    const left = labelWidth(ctx);
    const box = { left, top: TOP, width: ctx.cssWidth - left - RIGHT, height: ctx.cssHeight - TOP - 4 };
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box, stepAxis, { range: [rows.length || 1, 0] },
      { xLabels: false, xTitle: "", yTicks: 0 });
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText(titled(run, quantity().title), 0, 12);
    const scale = quantity();
    const marks = ticks(scale, Math.max(2, Math.floor(p.width / 70))).map((v) => [share(v), tickLabel(v, scale)]);
    colourBar(ctx, p.left, 20, p.width, 9, plan.colours, marks, colours);

    hatch(ctx, p, colours);
    p.once(chosen(), () => {
      const upwards = [...rows].reverse(); // a heat map has its first row at the bottom
      const codes = upwards.flatMap(({ i }) => steps.map((_, k) => colourNumber(value(run, i, k))));
      if (!rows.length) return;
      p.cells(heatmap(codes, S, rows.length, table), S, rows.length, (k, row) => {
        const { name, i } = upwards[row];
        return { name, text: `${name}: step ${steps[k]}, ${number(value(run, i, k))}` };
      });
    });

    const high = p.height / (rows.length || 1);
    const stride = Math.ceil(11 / high);
    Object.assign(ctx, { font: SMALL, fillStyle: colours.text, textAlign: "right", textBaseline: "middle" });
    rows.forEach(({ name }, row) => {
      if (row % stride && name !== pointed) return;
      ctx.globalAlpha = pointed && name !== pointed ? 0.7 : 1;
      ctx.fillText(elided(ctx, name, left - 8), p.left - 5, p.py(row + 0.5));
    });
    ctx.globalAlpha = 1;
    const halo = colours.dark ? "#000000" : "#ffffff";
    p.rule(steps[now.step_index], { colour: halo, width: 3 });
    p.rule(steps[now.step_index], { width: 1.2 });
    tags(ctx, p, colours, run, rows);
    const at = rows.findIndex(({ name }) => name === pointed);
    for (const [colour, width] of at < 0 ? [] : [[halo, 4], [colours.text, 1.5]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width });
      ctx.strokeRect(p.left, p.py(at), p.width, high);
    }
  }

  // Hatching: no number.
  function hatch(ctx, f, colours) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top, f.width, f.height);
    ctx.clip();
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1, globalAlpha: 0.35 });
    for (let at = f.left - f.height; at < f.right; at += 6) line(ctx, at, f.bottom, at + f.height, f.top);
    ctx.restore();
  }

  // The words right of the rows: the most important first, and none over another.
  function tags(ctx, f, colours, run, rows) {
    if (now.step_index >= lengths[run]) return;
    const { highest, lowest, still, exploding } = standing(run);
    const [most, least] = extremeWords();
    const differ = highest !== lowest && short(value(run, highest)) !== short(value(run, lowest));
    const said = [
      ...exploding.map((i) => [i, "explodes"]),
      ...(differ ? [[highest, most], [lowest, least]] : []),
      ...still.map((i) => [i, "still"]),
    ];
    const taken = [];
    Object.assign(ctx, { fillStyle: colours.text, textAlign: "left", textBaseline: "middle" });
    for (const [i, word] of said) {
      const at = f.py(rows.findIndex((row) => row.i === i) + 0.5);
      if (taken.some((other) => Math.abs(other - at) < 11)) continue;
      taken.push(at);
      ctx.font = word === "still" ? SMALL : `bold ${SMALL}`;
      ctx.fillText(`◂ ${word}`, f.right + 4, at);
    }
  }

  function drawLines(ctx, colours, pointed, run) {
    const left = labelWidth(ctx);
    const { range: [low, high], log, title } = quantity();
    const range = log ? [low / plan.room, high * plan.room] : [low - 0.05, high + 0.05];
    const box = { left, top: 10, width: ctx.cssWidth - left - RIGHT, height: ctx.cssHeight - 48 };
    const p = view.plot(ctx, colours, box, stepAxis, { title: titled(run, title), range, log }, { yTitle: "" });
    const rows = visible();
    const own = rows.filter(({ name }) => name === pointed);
    const looks = { n: S, x: (k) => steps[k], text: number, floor: true, gaps: true };
    const curve = (m, more) => p.curve({ ...m, ...looks, y: (k) => value(run, m.i, k), width: 1.4, ...more });
    p.once(chosen(), () => rows.forEach((m) => curve(m)), own.length ? 0.35 : 1);
    p.rule(steps[now.step_index], { colour: colours.dark ? "#000000" : "#ffffff", width: 3 });
    p.rule(steps[now.step_index], { width: 1.2 });
    for (const m of own) curve(m, { width: 3, halo: colours.paper, quiet: true });
    if (now.step_index >= lengths[run]) return;
    const { highest, lowest } = standing(run);
    for (const { i, name, style } of rows) {
      if (rows.length > MARKED && i !== highest && i !== lowest && name !== pointed) continue;
      p.mark(style, steps[now.step_index], Math.max(range[0], value(run, i)), 4.5); // no number stays none
    }
  }

  const lines = (run) => () => `Lines. ${titled(run, state(run))}.`;
  const maps = runs.map((run) => view.picture(`map map-${run}`, (...to) => drawMap(...to, run),
    run ? () => `${names[run]}: ${state(run)}.` : "", { drags: true }));
  const records = runs.map((run) => element("div", { class: "lwlr-record" }, maps[run],
    view.picture(`lines lines-${run}`, (...to) => drawLines(...to, run), lines(run), { drags: true })));
  view.shows.push(() => {
    const many = now.shown.length;
    const rows = Math.max(LEAST, Math.min(ROW * many, Math.max(MOST, Math.min(TALLEST, NAMED * many))));
    for (const map of maps) map.style.height = `${TOP + 4 + rows}px`;
  });
  const list = view.legend(layers, runs.length > 1 ? names.join(" | ") : "at this step", (name) => {
    const i = layers.findIndex((layer) => layer.name === name);
    return runs.map((run) => number(value(run, i))).join(" | ");
  });
  const pick = (name, title, shown) => button(name, name, title, () => view.commit({ shown }));
  const kinds = Object.entries(plan.kinds).map(([kind, shown]) => pick(kind, `show the layers that are ${kind} alone`, shown));
  return view.open(runs.length > 1 || L > MARKED ? "inspector below" : "inspector", sentence,
    element("div", { class: "lwlr-controls" },
      view.dropdown("quantity", "quantity", Object.fromEntries(quantities.filter((q) => q.listed).map((q) => [q.name, q.title]))),
      view.slider("step_index", "step", steps.map(String)), view.player("step_index", S - 1, PLAY_MS), view.reset()),
    view.words(words), element("div", { class: "lwlr-note" }, "Grey is 0. Hatched is no number: there is none, or it is no longer finite. Point at a cell to read it."),
    element("div", { class: "lwlr-body" }, ...records,
      element("div", { class: "lwlr-side" },
        element("div", { class: "lwlr-controls" },
          pick("all", "show every layer", layers.map(({ name }) => name)), ...kinds, pick("none", "show no layer", [])), list)));
}

export default { render };
