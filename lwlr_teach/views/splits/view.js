// The split view: a map of steps and shares, each column coloured from the step's worst split to its best one, and
// beside it the loss against the share after the step that the slider stands at. The map fills as one walks.
import { axes, colourBar, fit, heatmap, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, choice, dropdown, element, live, player, save, slider } from "../kit/controls.js";

const PLAY_MS = 9000;
const PATIENCE_MS = 3000; // until the kernel is said to be away

function render({ model, el }) {
  const plan = model.get("plan");
  const { steps, edges, shares, networks } = plan;
  const [gaussian, gaussianWidth] = plan.gaussian;
  const [learned] = plan.learned;
  const N = shares.length;

  const now = {};
  const known = new Map(); // what the kernel has computed so far, by setting
  let last = null;
  let reached = 0; // the furthest step that was looked at: the map does not tell what comes later
  let askedAt = 0;
  const nameOf = (layers, dynamics, start, width) => [layers, dynamics, start, start === gaussian ? gaussianWidth : width].join();
  const wanted = () => nameOf(now.layers, now.dynamics, now.start, now.width);
  // What is drawn: what was asked for, or what was there before until the kernel has answered.
  const here = () => known.get(wanted()) ?? last;
  const pull = () => {
    Object.assign(now, {
      layers: String(model.get("layers")), dynamics: model.get("dynamics"), start: model.get("start"),
      width: String(model.get("width")), budget: model.get("budget_index"), step: model.get("step_index"),
      share: model.get("share_index"),
    });
    const table = model.get("table");
    const name = nameOf(...table.setting);
    if (!known.has(name)) {
      const losses = typed(Float32Array, model.get("losses")); // (budget, step, share)
      known.set(name, { ...table, losses, codes: typed(Uint8Array, model.get("codes")), S: (N - 1) / table.stride + 1, pictures: [] });
      known.get(name).each = typed(Uint8Array, model.get("each")); // (budget, step, network), if there are several
    }
    last = known.get(name);
  };
  const push = () => save(model, {
    layers: Number(now.layers), dynamics: now.dynamics, start: now.start, width: Number(now.width),
    budget_index: now.budget, step_index: now.step, share_index: now.share,
  });

  // A start may have fewer steps and shares than the sliders had.
  const step = () => Math.min(now.step, here().steps - 1);
  const share = () => now.share - (now.share % here().stride);
  const row = (k = step()) => (now.budget * here().steps + k) * here().S;
  const column = () => share() / here().stride;
  const equal = () => here().equal;
  const isExact = () => Math.abs(equal() / (here().S - 1) - plan.equal) < 1e-6;
  const each = (k) => here().each.subarray((now.budget * here().steps + k) * networks, (now.budget * here().steps + k + 1) * networks);
  const curve = () => here().losses.subarray(row(), row() + here().S);
  const best = (k = step()) => {
    const codes = here().codes.subarray(row(k), row(k) + here().S);
    return Array.from(codes.keys()).filter((j) => codes[j] === plan.best || codes[j] === plan.done);
  };
  const dots = (k) => best(k).filter((j) => here().codes[row(k) + j] === plan.best); // where many have learned, none
  const percent = (j) => shares[j * here().stride];

  const words = (loss) => (loss >= 0.001 && loss < 1000 ? loss.toFixed(5) : short(loss));
  function gives(loss) {
    if (loss < learned) return `gives a loss below ${plan.learned[1]}`;
    return Number.isFinite(loss) ? `gives the loss ${words(loss)}` : "overflows";
  }
  function costs(loss, low) {
    if (!Number.isFinite(loss)) return "overflows";
    if (low < learned) return `costs ${words(loss)}`;
    const ratio = loss / low;
    return `costs ${words(loss)}, ${ratio < 2 ? `${short(100 * (ratio - 1))}% more` : `${short(ratio)} times as much`}`;
  }
  function verdict() {
    const { S, limit, values } = here();
    const losses = curve();
    const found = best();
    const part = column() / (S - 1);
    const said = [`${percent(column())} of the budget in layer 1 ${gives(losses[column()])}.`];
    if (limit !== null && values[now.budget] ** 2 * part * (1 - part) >= limit) {
      said.push("Here η₁η₂ is so large that descent cannot come to rest.");
    }
    if (!found.length) return [...said, "So does every other split."].join(" ");
    const low = Math.min(...losses);
    const several = found.length > 1;
    const name = isExact() ? "The equal split" : `The split next to equal rates, ${percent(equal())},`;
    if (low < learned) {
      said.push(`${found.length} of ${S} splits ${several ? "have" : "has"} learned the task.`);
    } else if (!several && found[0] === equal()) {
      said.push(`${name} is the best, with ${words(low)}.`);
    } else {
      said.push(`Best ${several ? "are" : "is"} ${found.map(percent).join(" and ")}, with ${words(low)}.`);
    }
    if (!found.includes(equal())) said.push(`${name} ${costs(losses[equal()], low)}.`);
    if (networks) {
      const [from, to] = [Math.min, Math.max].map((most) => percent(most(...each(step()))));
      said.push(`Alone, the ${networks} networks are best from ${from} to ${to}.`);
    }
    return said.join(" ");
  }
  const sentence = (said) => `${here().title}, budget ${here().budgets[now.budget]}, after step ${steps[step()]}: ${said}`;

  const quarters = [0, 0.25, 0.5, 0.75, 1];
  const half = () => 0.5 / (here().S - 1);
  const mapFrame = (width, height) => {
    const at = steps.slice(0, here().steps).filter((s) => Number.isInteger(Math.log2(s)));
    return frame(44, 66, width - 58, height - 66 - 42, { range: [edges[0], edges[here().steps]], log: true, at, labels: at },
      { range: [-half(), 1 + half()], at: quarters, percent: true });
  };
  const curveFrame = (width, height, y) =>
    frame(62, 66, width - 84, height - 66 - 42, { range: [0, 1], at: quarters, percent: true }, y);
  const caption = (ctx, colours, align) =>
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: align, textBaseline: "alphabetic" });

  // A column for each step, all of the same width; they are drawn as wide as the axis has them.
  function cells() {
    const { pictures, codes, steps: K, S } = here();
    if (!pictures[now.budget]) {
      const turned = new Uint8Array(K * S);
      for (let k = 0; k < K; k++) for (let j = 0; j < S; j++) turned[j * K + k] = codes[row(k) + j];
      pictures[now.budget] = heatmap(turned, K, S, [...plan.colours, plan.colours[plan.colours.length - 1], plan.pale]);
    }
    return pictures[now.budget];
  }

  function drawMap(ctx, colours) {
    const f = mapFrame(ctx.cssWidth, ctx.cssHeight);
    const [halo, ink] = colours.dark ? ["#000000", "#ffffff"] : ["#ffffff", "#000000"];
    const grey = colours.dark ? "#555555" : "#b5b5b5";
    const say = (text, x, y) => {
      caption(ctx, colours, "left");
      ctx.fillText(text, x, y);
      return x + ctx.measureText(text).width;
    };
    const bar = say("the step's worst split", f.left, 14) + 8;
    const length = Math.min(90, f.width * 0.27);
    colourBar(ctx, bar, 5, length, 10, plan.colours, [], colours);
    marker(ctx, "circle", say(networks ? "its best, of each network" : "its best", bar + length + 8, 14) + 11, 10, 3.6, "#ffffff", "#000000");
    reached = Math.max(reached, step());
    const walked = Math.min(reached + 1, here().steps);
    const all = here().codes.subarray(row(0), row(0) + walked * here().S);
    let x = f.left;
    for (const [code, fill, text] of [[plan.done, plan.pale, `learned: loss below ${plan.learned[1]}`], [255, grey, "overflows"]]) {
      if (!all.includes(code)) continue;
      ctx.fillStyle = fill;
      ctx.fillRect(x, 24, 20, 10);
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 0.5 });
      ctx.strokeRect(x, 24, 20, 10);
      x = say(text, x + 26, 33) + 16;
    }
    axes(ctx, f, { ...colours, faint: "transparent" }, { xTitle: "step", yTitle: "share of the budget that goes to layer 1" });
    const picture = cells();
    for (let k = 0; k < walked; k++) {
      const [left, right] = [edges[k], edges[k + 1]].map((edge) => Math.round(f.px(edge)));
      ctx.fillStyle = grey;
      ctx.fillRect(left, f.top, right - left, f.height);
      drawSlice(ctx, picture, k, left, f.top, right - left, f.height);
    }
    for (const [colour, width] of [[halo, 3], [ink, 1]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: 0.8 });
      line(ctx, f.px(steps[step()]), f.top, f.px(steps[step()]), f.bottom);
      ctx.setLineDash([6, 5]);
      line(ctx, f.left, f.py(plan.equal), f.right, f.py(plan.equal));
      ctx.setLineDash([]);
    }
    ctx.globalAlpha = 1;
    let dotted = -Infinity;
    for (let k = 0; k < walked; k++) {
      if (networks && f.px(steps[k]) - dotted < 6) continue; // they would run into each other
      dotted = f.px(steps[k]);
      const drawn = new Map(networks ? [] : dots(k).map((j) => [j, 1]));
      for (const j of networks ? each(k) : []) drawn.set(j, (drawn.get(j) ?? 0) + 1);
      for (const [j, count] of drawn) {
        marker(ctx, "circle", f.px(steps[k]), f.py(j / (here().S - 1)), networks ? 1.4 + 1.4 * Math.sqrt(count) : 3.2, "#ffffff", "#000000");
      }
    }
    marker(ctx, "circle", f.px(steps[step()]), f.py(column() / (here().S - 1)), 7, plan.yours, "#000000");
  }

  // The axis fits the curve, up to a multiple of the first loss: a run that diverges would hide the others.
  function lossAxis(losses) {
    const finite = [...losses].filter(Number.isFinite);
    if (!finite.length) return { range: [0, 1] };
    let [low, high] = [Math.min(...finite), Math.max(...finite)].map((v) => Math.max(v, learned));
    if (low < plan.above * here().first) high = Math.min(high, plan.above * here().first);
    if (high === learned) high = here().first; // a curve along the bottom
    const log = high > plan.log_from * low;
    const room = log ? (high / low) ** 0.08 : Math.max((high - low) * 0.08, plan.room * high);
    return { range: log ? [low / room, high * room] : [low - room, high + room], log };
  }

  function drawCurve(ctx, colours) {
    const losses = curve();
    const y = lossAxis(losses);
    const f = curveFrame(ctx.cssWidth, ctx.cssHeight, y);
    const title = `loss after step ${steps[step()]}, budget ${here().budgets[now.budget]}`;
    axes(ctx, f, colours, { xTitle: "share of the budget that goes to layer 1", yTitle: title, yTicks: y.log ? 8 : 6 });
    const px = (j) => f.px(j / (here().S - 1));
    const py = (j) => (Number.isFinite(losses[j]) ? f.py(Math.max(losses[j], learned)) : f.top - 1e4);
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1, globalAlpha: 0.7 });
    ctx.setLineDash([6, 5]);
    line(ctx, f.px(plan.equal), f.top, f.px(plan.equal), f.bottom);
    ctx.setLineDash([2, 3]);
    const found = dots(step());
    for (const j of found) line(ctx, px(j), py(j), px(j), f.bottom);
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left - 1, f.top, f.width + 2, f.height);
    ctx.clip();
    polyline(ctx, here().S, px, py, { colour: colours.text, width: 2 });
    ctx.restore();
    for (const j of found) marker(ctx, "circle", px(j), py(j), 5, "#ffffff", "#000000");
    marker(ctx, "circle", px(column()), Math.max(f.top + 7, py(column())), 7, plan.yours, "#000000");
    caption(ctx, colours, "left");
    Object.assign(ctx, { strokeStyle: colours.paper, lineWidth: 4, lineJoin: "round" });
    ctx.strokeText("equal", f.px(plan.equal) + 5, f.bottom - 6); // a halo: the curve may run through it
    ctx.fillText("equal", f.px(plan.equal) + 5, f.bottom - 6);
  }

  const canvases = { map: drawMap, curve: drawCurve };
  const labels = { map: "", curve: "The loss against the share. " };
  const made = Object.fromEntries(
    Object.keys(canvases).map((name) => [name, element("canvas", { class: `lwlr-${name}`, role: "img" })]));
  const draw = painter(() => {
    const colours = theme();
    const said = verdict();
    const waiting = state();
    visible.textContent = `${waiting} ${said}`;
    if (status.textContent !== waiting) status.textContent = waiting;
    for (const [name, canvas] of Object.entries(made)) {
      canvas.setAttribute("aria-label", labels[name] + sentence(said));
      const ctx = fit(canvas);
      if (ctx) canvases[name](ctx, colours);
    }
  });

  function state() {
    if (here() === known.get(wanted())) return "";
    if (performance.now() - askedAt < PATIENCE_MS) return "Computing …";
    return `The kernel is busy or gone: this is still ${here().title[0].toLowerCase()}${here().title.slice(1)}.`;
  }
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const stepLabels = steps.map(String);
  const budgetLabels = [...model.get("table").budgets];
  const control = (name, title, positions) => slider(name, title, positions, {
    onInput: (value) => {
      play.stop();
      change({ [name]: value });
    },
    onRelease: push,
  });
  const sliders = {
    budget: control("budget", "budget η₁ + η₂", budgetLabels),
    step: control("step", "step", stepLabels),
    share: control("share", "share of layer 1", shares),
  };
  const rangeOf = (name) => sliders[name].row.querySelector("input");
  const play = player(() => here().steps - 1, PLAY_MS, {
    position: step,
    onStep: (to) => {
      change({ step: to });
      sliders.step.show(to);
    },
    onStop: push,
  });

  const pick = (part) => {
    play.stop();
    askedAt = performance.now();
    change(part);
    show();
    push();
    setTimeout(draw, PATIENCE_MS + 100);
  };
  const named = (list, after) => Object.fromEntries(list.map((name) => [name, `${name} ${after}`.trim()]));
  const choices = {
    layers: choice("layers", "number of layers", plan.layers, (layers) => pick({ layers })),
    dynamics: choice("dynamics", "dynamics", named(plan.dynamics, ""), (dynamics) => pick({ dynamics })),
    start: choice("start", "start", named(plan.starts, "start"), (start) => pick({ start })),
    width: dropdown("width", "width", named([...plan.widths, gaussianWidth].sort((v, w) => v - w), ""), (width) => pick({ width })),
  };
  const widths = choices.width.row.querySelector("select");
  const reset = button("reset", "reset", "put everything back as it was", () => {
    const { layers, dynamics, start, width, budget_index: budget, step_index, share_index } = plan.start;
    reached = 0;
    pick({ layers: String(layers), dynamics, start, width: String(width), budget, step: step_index, share: share_index });
  });
  function show() {
    budgetLabels.splice(0, budgetLabels.length, ...here().budgets);
    rangeOf("step").max = here().steps - 1;
    rangeOf("share").step = here().stride;
    for (const [name, at] of [["budget", now.budget], ["step", step()], ["share", share()]]) sliders[name].show(at);
    for (const name of ["layers", "dynamics", "start"]) choices[name].show(now[name]);
    // That width belongs to the other start, which has no other.
    widths.disabled = now.start === gaussian;
    widths.querySelector(`[value="${gaussianWidth}"]`).hidden = !widths.disabled;
    choices.width.show(widths.disabled ? gaussianWidth : now.width);
  }

  // The pictures answer to the pointer as well.
  function pointing(canvas, partAt) {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      play.stop();
      change(partAt(event.clientX - box.left, event.clientY - box.top, box));
      show();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      at(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) at(event);
    });
    canvas.addEventListener("pointerup", push);
  }
  const shareAt = (part) => Math.round(Math.min(1, Math.max(0, part)) * (here().S - 1)) * here().stride;
  pointing(made.map, (x, y, { width, height }) => {
    const f = mapFrame(width, height);
    const after = edges.slice(1, here().steps).filter((edge) => f.px(edge) < x).length;
    return { step: after, share: shareAt((f.py(0) - y) / (f.py(0) - f.py(1))) };
  });
  pointing(made.curve, (x, y, { width, height }) => {
    const f = curveFrame(width, height, { range: [0, 1] });
    return { share: shareAt((x - f.left) / f.width) };
  });

  const several = (list, ...parts) => (list.length > 1 ? parts : []);
  const visible = element("div", { class: "lwlr-words", "aria-hidden": "true" });
  const status = element("div", { class: "lwlr-status", role: "status" });
  const root = element("div", { class: "lwlr-view lwlr-splits" },
    element("div", { class: "lwlr-controls" }, ...several(budgetLabels, sliders.budget.row), sliders.share.row,
      ...several(steps, sliders.step.row, play.button), ...(plan.choices ? [] : [reset])),
    ...(plan.choices ? [element("div", { class: "lwlr-controls" }, ...Object.values(choices).map((made) => made.row), reset)] : []),
    visible, status,
    element("div", { class: "lwlr-body" }, made.map, made.curve));
  const names = ["table", "layers", "dynamics", "start", "width", "budget_index", "step_index", "share_index"];
  const end = live(model, el, root, names, { pull, show, draw });
  return () => {
    play.stop();
    end();
  };
}

// One column of a picture.
function drawSlice(ctx, picture, column, left, top, width, height) {
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(picture, column, 0, 1, picture.height, left, top, width, height);
  ctx.imageSmoothingEnabled = true;
}

export default { render };
