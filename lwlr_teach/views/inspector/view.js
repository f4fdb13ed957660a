// The layer inspector: for each recording a heat map, one row a layer, and below it the same numbers as lines.
import {
  axes, colourBar, colourOf, drawCells, fit, heatmap, line, marker, painter, polyline, theme, typed,
} from "../kit/canvas.js";
import { frame, ticks } from "../kit/geometry.js";
import { short, tickLabel } from "../kit/text.js";
import { button, dropdown, element, legend, live, player, save, slider, toggled } from "../kit/controls.js";

const PLAY_MS = 6000; // a whole run, when played
const [ROW, LEAST, MOST] = [15, 90, 400]; // heights of a row and of all rows, in pixels
const [TOP, RIGHT] = [52, 66]; // above the rows stands the scale, right of them a word
const SMALL = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const MARKED = 16; // with more lines than this, only those that the sentence names have a marker

function render({ model, el }) {
  const plan = model.get("plan");
  const values = typed(Float32Array, model.get("values")); // (run, quantity, layer, step)
  const { names, layers, steps, lengths, quantities } = plan;
  const [L, S] = [layers.length, steps.length];
  const runs = names.map((_, run) => run);

  const now = {};
  const pull = () => Object.assign(now, {
    step: model.get("step_index"), quantity: model.get("quantity"), shown: model.get("shown"),
  });
  const push = () => save(model, { step_index: now.step, quantity: now.quantity, shown: now.shown });
  const visible = () => layers.map((layer, i) => ({ ...layer, i })).filter((layer) => now.shown.includes(layer.name));
  const quantity = () => quantities.find((q) => q.name === now.quantity);
  const numbers = quantities.map((q) => q.name);
  const place = (name, run, i) => ((run * numbers.length + numbers.indexOf(name)) * L + i) * S;
  const value = (run, i, k = now.step, name = now.quantity) => values[place(name, run, i) + k];

  // As `standing` in inspector.py.
  function standing(run) {
    const rows = visible().map(({ i }) => i);
    const at = (name, i) => value(run, i, now.step, name);
    const exploding = rows.filter((i) =>
      at("relative_update", i) > 1 || !Number.isFinite(at("grad_norm", i)) || !Number.isFinite(at("weight_norm", i)));
    const still = rows.filter((i) => at("update_norm", i) === 0 && !exploding.includes(i));
    const leftOut = plan.speeds.includes(now.quantity) ? still : [];
    const ranked = rows.filter((i) => !leftOut.includes(i) && !Number.isNaN(value(run, i)));
    const best = (better) => ranked.reduce((a, b) => (better(value(run, b), value(run, a)) ? b : a), ranked[0]);
    return { rows, highest: best((v, w) => v > w), lowest: best((v, w) => v <= w), still, exploding };
  }
  const extremeWords = () => (plan.speeds.includes(now.quantity) ? ["fastest", "slowest"] : ["highest", "lowest"]);
  const number = (v) => (Number.isNaN(v) ? "no number" : short(v));
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
  function state(run) {
    const { rows, highest, lowest, still, exploding } = standing(run);
    if (!rows.length) return "no layer is shown";
    if (now.step >= lengths[run]) return "the recording has ended";
    const parts = [];
    if (highest !== undefined) parts.push(extremes(run, highest, lowest));
    else if (still.length < rows.length) parts.push("no layer that moves has a number here");
    if (rows.length > 1) {
      const [first, last] = [rows[0], rows[rows.length - 1]];
      parts.push(`the first layer, ${layers[first].name}, is at ${number(value(run, first))} ` +
        `and the last, ${layers[last].name}, at ${number(value(run, last))}`);
    }
    if (still.length === rows.length) parts.push("every layer stands still");
    else if (still.length) parts.push(`standing still: ${listed(still)}`);
    if (exploding.length) parts.push(`exploding: ${listed(exploding)}`);
    return parts.join("; ");
  }
  const sentence = () => {
    const head = `${plan.title}, ${quantity().title}, step ${steps[now.step]}`;
    if (runs.length === 1) return `${head}: ${state(0)}.`;
    return [`${head}.`, ...runs.map((run) => `${names[run]}: ${state(run)}.`)].join(" ");
  };

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

  // What does not depend on the slider is drawn once and kept.
  const kept = new Map();
  function once(name, key, draw) {
    if (kept.get(name)?.key !== key) kept.set(name, { key, made: draw() });
    return kept.get(name).made;
  }
  const chosen = () => [now.quantity, ...now.shown].join("\n");

  // All steps have cells of one width. Where their distances differ, the ticks stand accordingly.
  const x = { range: S > 1 ? [(3 * steps[0] - steps[1]) / 2, (3 * steps[S - 1] - steps[S - 2]) / 2] : [steps[0] - 0.5, steps[0] + 0.5] };
  const middle = (f, k) => f.left + ((k + 0.5) / S) * f.width;
  const onSteps = (f) => (step) => {
    if (S === 1) return middle(f, step - steps[0]);
    const found = steps.findIndex((other) => other >= step);
    const next = found < 0 ? S - 1 : Math.max(1, found);
    return middle(f, next - (steps[next] - step) / (steps[next] - steps[next - 1]));
  };
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
  const frames = []; // of the heat maps and the lines, for the pointer

  function drawMap(ctx, colours, run) {
    const rows = visible();
    const left = labelWidth(ctx);
    const y = { range: [rows.length || 1, 0] };
    const f = frame(left, TOP, ctx.cssWidth - left - RIGHT, ctx.cssHeight - TOP - 4, x, y);
    frames[run] = { ...frames[run], map: f };
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText((runs.length > 1 ? `${names[run]}: ` : "") + quantity().title, 0, 12);
    const scale = quantity();
    const marks = ticks(scale, Math.max(2, Math.floor(f.width / 70))).map((v) => [share(v), tickLabel(v, scale)]);
    colourBar(ctx, f.left, 20, f.width, 9, plan.colours, marks, colours);

    hatch(ctx, f, colours);
    if (rows.length) {
      const picture = once(`map${run}`, chosen(), () => {
        const codes = new Uint8Array(rows.length * S);
        // `heatmap` has its first row at the bottom.
        rows.forEach(({ i }, row) => {
          for (let k = 0; k < S; k++) codes[(rows.length - 1 - row) * S + k] = colourNumber(value(run, i, k));
        });
        return heatmap(codes, S, rows.length, table);
      });
      drawCells(ctx, picture, f);
    }

    const high = f.height / (rows.length || 1);
    const stride = Math.ceil(11 / high);
    Object.assign(ctx, { font: SMALL, fillStyle: colours.text, textAlign: "right", textBaseline: "middle" });
    rows.forEach(({ name, i }, row) => {
      if (row % stride && i !== pointed?.layer) return;
      ctx.globalAlpha = pointed && pointed.layer !== i ? 0.6 : 1;
      ctx.fillText(elided(ctx, name, left - 8), f.left - 5, f.py(row + 0.5));
    });
    ctx.globalAlpha = 1;
    cursor(ctx, f, colours);
    tags(ctx, f, colours, run, rows);
    const at = rows.findIndex(({ i }) => i === pointed?.layer);
    if (at >= 0) {
      for (const [colour, width] of [[colours.dark ? "#000" : "#fff", 4], [colours.text, 1.5]]) {
        Object.assign(ctx, { strokeStyle: colour, lineWidth: width });
        ctx.strokeRect(f.left, f.py(at), f.width, high);
      }
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

  // Where the slider stands.
  function cursor(ctx, f, colours) {
    const at = middle(f, now.step);
    for (const [colour, width] of [[colours.dark ? "#000000" : "#ffffff", 3], [colours.text, 1.2]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width });
      line(ctx, at, f.top, at, f.bottom);
    }
  }

  // The words right of the rows: the most important first, and none over another.
  function tags(ctx, f, colours, run, rows) {
    if (now.step >= lengths[run]) return;
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

  function drawLines(ctx, colours, run) {
    const rows = visible();
    const left = labelWidth(ctx);
    const scale = quantity();
    const [low, high] = scale.range;
    const y = scale.log ? { range: [low / 1.3, high * 1.3], log: true } : { range: [low - 0.05, high + 0.05] };
    const f = frame(left, 10, ctx.cssWidth - left - RIGHT, ctx.cssHeight - 48, x, y);
    f.px = onSteps(f);
    frames[run] = { ...frames[run], lines: f };
    axes(ctx, f, colours, { xTitle: "step" });
    const py = (v) => (v === 0 && scale.log ? f.bottom : f.py(Math.min(high, Math.max(low, v))));
    f.at = py;
    const draw = (target, { i, style }, options = {}) => {
      const colour = colourOf(style, colours);
      // Pieces between what is no number.
      for (let k = 0; k < S; k++) {
        if (Number.isNaN(value(run, i, k))) continue;
        const from = k;
        while (k < S && !Number.isNaN(value(run, i, k))) k++;
        polyline(target, k - from, (j) => middle(f, from + j), (j) => py(value(run, i, from + j)),
          { colour, width: 1.4, dash: style.dash, ...options });
      }
    };
    const key = [chosen(), ctx.cssWidth, ctx.cssHeight, ctx.ratio, colours.text].join();
    const picture = once(`lines${run}`, key, () => {
      const sheet = new OffscreenCanvas(ctx.canvas.width, ctx.canvas.height);
      const target = sheet.getContext("2d");
      target.setTransform(ctx.ratio, 0, 0, ctx.ratio, 0, 0);
      for (const row of rows) draw(target, row);
      return sheet;
    });
    ctx.globalAlpha = pointed ? 0.35 : 1;
    ctx.drawImage(picture, 0, 0, ctx.cssWidth, ctx.cssHeight);
    ctx.globalAlpha = 1;
    cursor(ctx, f, colours);
    const own = rows.find(({ i }) => i === pointed?.layer);
    if (own) draw(ctx, own, { width: 3, halo: colours.paper });
    if (now.step >= lengths[run]) return;
    const { highest, lowest } = standing(run);
    for (const { i, style } of rows) {
      if (Number.isNaN(value(run, i)) || (rows.length > MARKED && ![highest, lowest, pointed?.layer].includes(i))) continue;
      marker(ctx, style.marker, middle(f, now.step), py(value(run, i)), 4.5, colourOf(style, colours), colours.paper);
    }
  }

  const canvas = (kind, run) => element("canvas", { class: `lwlr-${kind} lwlr-${kind}-${run}`, role: "img" });
  const pictures = runs.map((run) => ({ map: canvas("map", run), lines: canvas("lines", run) }));
  const said = element("div", { class: "lwlr-words", "aria-hidden": "true" });
  const under = element("div", { class: "lwlr-pointed" });
  let pointed = null; // the layer under the pointer, and its run and step if it is a cell

  const draw = painter(() => {
    const colours = theme();
    const text = sentence();
    said.textContent = text;
    const cell = pointed?.step !== undefined;
    under.textContent = cell
      ? `${runs.length > 1 ? `${names[pointed.run]}, ` : ""}${layers[pointed.layer].name}, step ${steps[pointed.step]}: ` +
        number(value(pointed.run, pointed.layer, pointed.step))
      : "Grey is 0, hatched is no number. Point at a cell to read it.";
    const height = `${TOP + 4 + Math.min(MOST, Math.max(LEAST, ROW * now.shown.length))}px`;
    for (const run of runs) {
      const { map, lines } = pictures[run];
      if (map.style.height !== height) map.style.height = height;
      map.setAttribute("aria-label", runs.length > 1 && run ? `${names[run]}: ${state(run)}.` : text);
      lines.setAttribute("aria-label", `Lines. ${runs.length > 1 ? `${names[run]}: ` : ""}${state(run)}.`);
      const onMap = fit(map);
      const onLines = fit(lines);
      if (onMap) drawMap(onMap, colours, run);
      if (onLines) drawLines(onLines, colours, run);
    }
    list.draw(colours, now.shown, (name) => {
      const i = layers.findIndex((layer) => layer.name === name);
      return runs.map((run) => number(value(run, i))).join(" | ");
    });
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };

  const picked = dropdown("quantity", "quantity", Object.fromEntries(quantities.map((q) => [q.name, q.title])), (name) => {
    change({ quantity: name });
    push();
  });
  const walk = slider("step", "step", steps.map(String), {
    onInput: (step) => { play.stop(); change({ step }); },
    onRelease: push,
  });
  const play = player(S - 1, PLAY_MS, {
    position: () => now.step,
    onStep: (step) => { change({ step }); walk.show(step); },
    onStop: push,
  });
  const show = () => {
    walk.show(now.step);
    picked.show(now.quantity);
  };
  const reset = button("reset", "reset", "put everything back as it was", () => {
    play.stop();
    const { step_index: step, quantity: name, shown } = plan.start;
    change({ step, quantity: name, shown });
    show();
    push();
  });

  const list = legend(layers, runs.length > 1 ? names.join(" | ") : "at this step", (name, on) => {
    change({ shown: toggled(layers, now.shown, name, on) });
    push();
  });
  const pickAll = (name, title, shown) => button(name, name, title, () => {
    change({ shown });
    push();
  });
  const everyone = element("div", { class: "lwlr-controls" },
    pickAll("all", "show every layer", layers.map(({ name }) => name)), pickAll("none", "show no layer", []));
  const point = (to) => {
    if (to?.layer === pointed?.layer && to?.step === pointed?.step && to?.run === pointed?.run) return;
    pointed = to;
    draw();
  };
  list.root.querySelectorAll(".lwlr-method").forEach((row, i) => {
    for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => point({ layer: i }));
    for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => point(null));
  });

  // The pictures answer to the pointer: it reads cells, and drags the slider.
  const NEAR = 12; // as far as this a line is meant
  function under_pointer(run, kind, event) {
    const f = frames[run]?.[kind];
    if (!f) return {};
    const box = pictures[run][kind].getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const step = Math.min(S - 1, Math.max(0, Math.floor(((px - f.left) / f.width) * S)));
    const inside = py >= f.top && py < f.bottom && px <= f.right && (kind === "map" || px >= f.left);
    const rows = visible();
    if (!inside || !rows.length) return { step };
    if (kind === "map") {
      const layer = rows[Math.min(rows.length - 1, Math.floor(((py - f.top) / f.height) * rows.length))].i;
      return { step, cell: px < f.left ? { layer } : { layer, run, step } };
    }
    const far = ({ i }) => Math.abs(f.at(value(run, i, step)) - py);
    const near = rows.filter(({ i }) => !Number.isNaN(value(run, i, step)) && far({ i }) < NEAR).sort((a, b) => far(a) - far(b));
    return { step, cell: near.length ? { layer: near[0].i, run, step } : null };
  }
  for (const run of runs) {
    for (const [kind, picture] of Object.entries(pictures[run])) {
      const take = (event) => {
        const { step, cell } = under_pointer(run, kind, event);
        point(cell ?? null);
        if (step === undefined || !picture.hasPointerCapture(event.pointerId)) return;
        change({ step });
        walk.show(step);
      };
      picture.addEventListener("pointerdown", (event) => {
        play.stop();
        picture.setPointerCapture(event.pointerId);
        take(event);
      });
      picture.addEventListener("pointermove", take);
      picture.addEventListener("pointerup", push);
      picture.addEventListener("pointerleave", () => point(null));
    }
  }

  const root = element("div", { class: `lwlr-view lwlr-inspector${runs.length > 1 ? " lwlr-two" : ""}` },
    element("div", { class: "lwlr-controls" }, picked.row, walk.row, play.button, reset),
    said, under,
    element("div", { class: "lwlr-body" },
      ...pictures.map(({ map, lines }) => element("div", { class: "lwlr-record" }, map, lines)),
      element("div", { class: "lwlr-side" }, everyone, list.root)));
  const end = live(model, el, root, ["step_index", "quantity", "shown"], { pull, show, draw });
  return () => {
    play.stop();
    end();
  };
}

export default { render };
