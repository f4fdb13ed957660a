// The split view: a map of steps and shares, each column coloured from the step's worst split to its best one, and
// beside it the loss against the share after the step that the slider stands at. The map fills as one walks.
import { colourBar, heatmap, line, marker, typed } from "../kit/canvas.js";
import { button, element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

const PLAY_MS = 9000;
const PATIENCE_MS = 3000; // until the kernel is said to be away

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { steps, edges, shares, networks } = plan;
  const [gaussian, gaussianWidth] = plan.gaussian;
  const [learned, learnedWords] = plan.learned;

  // --- the losses ---------------------------------------------------------------------------------------------

  const known = new Map(); // what the kernel has computed so far, by setting
  /** @type {any} */
  let table = null; // what is drawn: what was asked for, or what was there before until the kernel has answered
  let [asked, askedAt] = ["", 0];
  let waits = false;
  let reached = 0; // the furthest step that was looked at: the map does not tell what comes later

  const nameOf = (layers, dynamics, start, width) => [layers, dynamics, start, start === gaussian ? gaussianWidth : width].join();
  view.follow(["table"], () => {
    const sent = model.get("table");
    const name = nameOf(...sent.setting);
    if (!known.has(name)) known.set(name, unpacked(sent));
    const wanted = nameOf(now.layers, now.dynamics, now.start, now.width);
    table = known.get(wanted) ?? known.get(name);
    waits = !known.has(wanted);
    if (wanted !== asked) {
      [asked, askedAt] = [wanted, performance.now()];
      setTimeout(view.draw, PATIENCE_MS + 100);
    }
    // A start may have fewer steps and shares than the sliders had.
    now.step_index = Math.min(now.step_index, table.steps - 1);
    now.share_index -= now.share_index % table.stride;
  });

  function unpacked(sent) {
    const S = (shares.length - 1) / sent.stride + 1;
    const losses = typed(Float32Array, model.get("losses")); // (budget, step, share)
    const [codes, each] = ["codes", "each"].map((name) => typed(Uint8Array, model.get(name))); // and (budget, step, network)
    const part = (values, length) => (k) => {
      const from = (now.budget_index * sent.steps + k) * length;
      return values.subarray(from, from + length);
    };
    return { ...sent, S, lossesAt: part(losses, S), codesAt: part(codes, S), eachAt: part(each, networks), pictures: [] };
  }

  const column = () => now.share_index / table.stride;
  const part = (j) => j / (table.S - 1);
  const percent = (j) => shares[j * table.stride];
  const those = (k, codes) => Array.from(table.codesAt(k).keys()).filter((j) => codes.includes(table.codesAt(k)[j]));
  const best = (k) => those(k, [plan.best, plan.done]);
  const dotted = (k) => those(k, [plan.best]); // where many have learned, none
  // Whether the best splits of this step are shown: to whoever has found one, in any case.
  const tells = () => now.revealed || best(now.step_index).includes(column());

  // --- the sentence -------------------------------------------------------------------------------------------

  const words = (loss) => (loss >= 0.001 && loss < 1000 ? loss.toFixed(5) : short(loss));
  function gives(loss) {
    if (loss < learned) return `gives a loss below ${learnedWords}`;
    return Number.isFinite(loss) ? `gives the loss ${words(loss)}` : "overflows";
  }
  function costs(loss, low) {
    if (!Number.isFinite(loss)) return "overflows";
    if (low < learned) return `costs ${words(loss)}`;
    const ratio = loss / low;
    return `costs ${words(loss)}, ${ratio < 2 ? `${short(100 * (ratio - 1))}% more` : `${short(ratio)} times as much`}`;
  }
  function verdict() {
    const { S, limit, values, equal } = table;
    const losses = table.lossesAt(now.step_index);
    const found = best(now.step_index);
    const share = part(column());
    const said = [`${percent(column())} of the budget in layer 1 ${gives(losses[column()])}.`];
    if (limit !== null && values[now.budget_index] ** 2 * share * (1 - share) >= limit) {
      said.push("Here η₁η₂ is so large that descent cannot come to rest.");
    }
    if (!found.length) return [...said, "So does every other split."].join(" ");
    if (!tells()) return said.join(" ");
    const low = Math.min(...losses);
    const several = found.length > 1;
    const exact = Math.abs(part(equal) - plan.equal) < 1e-6;
    const name = exact ? "The equal split" : `The split next to equal rates, ${percent(equal)},`;
    if (low < learned) {
      said.push(`${found.length} of ${S} splits ${several ? "have" : "has"} learned the task.`);
    } else if (!several && found[0] === equal) {
      said.push(`${name} is the best, with ${words(low)}.`);
    } else {
      said.push(`Best ${several ? "are" : "is"} ${found.map(percent).join(" and ")}, with ${words(low)}.`);
    }
    if (!found.includes(equal)) said.push(`${name} ${costs(losses[equal], low)}.`);
    if (networks) {
      const [from, to] = [Math.min, Math.max].map((most) => percent(most(...table.eachAt(now.step_index))));
      said.push(`Alone, the ${networks} networks are best from ${from} to ${to}.`);
    }
    return said.join(" ");
  }
  const sentence = () =>
    `${table.title}, budget ${table.budgets[now.budget_index]}, after step ${steps[now.step_index]}: ${verdict()}`;
  function state() {
    if (!waits) return "";
    if (performance.now() - askedAt < PATIENCE_MS) return "Computing …";
    return `The kernel is busy or gone: this is still ${table.title[0].toLowerCase()}${table.title.slice(1)}.`;
  }

  // --- the map ------------------------------------------------------------------------------------------------

  const box = (ctx, left, right) => ({ left, top: 66, width: ctx.cssWidth - left - right, height: ctx.cssHeight - 66 - 42 });
  const write = (ctx, text, x, y) => {
    Object.assign(ctx, { textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText(text, x, y, ctx.cssWidth - x);
    return x + ctx.measureText(text).width;
  };
  // The axis of the shares; no slider stands at those that were not computed.
  const shareAxis = (range) => ({
    title: "share of the budget that goes to layer 1", range, at: [0, 0.25, 0.5, 0.75, 1], percent: true,
    trait: "share_index", values: shares.map((_, i) => (i % table.stride ? Infinity : part(i / table.stride))),
  });

  // A column for each step, all of the same width; they are drawn as wide as the axis has them.
  function cells() {
    const { pictures, codesAt, steps: K, S } = table;
    return (pictures[now.budget_index] ??= (() => {
      const turned = new Uint8Array(K * S);
      for (let k = 0; k < K; k++) codesAt(k).forEach((code, j) => (turned[j * K + k] = code));
      return heatmap(turned, K, S, [...plan.colours, plan.colours.at(-1), plan.pale]);
    })());
  }

  function drawMap(ctx, colours) {
    reached = Math.max(reached, now.step_index);
    const walked = Math.min(reached + 1, table.steps);
    const grey = colours.dark ? "#555555" : "#b5b5b5";
    const at = steps.slice(0, table.steps).filter((s) => Number.isInteger(Math.log2(s)));
    const half = part(0.5);
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box(ctx, 44, 14), {
      title: "step", range: [edges[0], edges[table.steps]], log: true, at, labels: at,
      trait: "step_index", values: steps.slice(0, table.steps),
    }, shareAxis([-half, 1 + half]));
    drawKey(ctx, colours, p, walked, grey);
    const picture = cells();
    ctx.imageSmoothingEnabled = false;
    for (let k = 0; k < walked; k++) {
      const [left, right] = [edges[k], edges[k + 1]].map((edge) => Math.round(p.px(edge)));
      ctx.fillStyle = grey;
      ctx.fillRect(left, p.top, right - left, p.height);
      ctx.drawImage(picture, k, 0, 1, picture.height, left, p.top, right - left, p.height);
    }
    ctx.imageSmoothingEnabled = true;
    const [halo, ink] = colours.dark ? ["#000000", "#ffffff"] : ["#ffffff", "#000000"];
    for (const { colour, width } of [{ colour: halo, width: 3 }, { colour: ink, width: 1 }]) {
      p.rule(steps[now.step_index], { colour, width, alpha: 0.8 });
      Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: 0.8 });
      ctx.setLineDash([6, 5]);
      line(ctx, p.left, p.py(plan.equal), p.right, p.py(plan.equal));
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
    }
    let last = -Infinity;
    for (let k = 0; k < walked && now.revealed; k++) {
      const x = p.px(steps[k]);
      if (networks && x - last < 6) continue; // they would run into each other
      last = x;
      const drawn = new Map(networks ? [] : dotted(k).map((j) => [j, 1]));
      for (const j of networks ? table.eachAt(k) : []) drawn.set(j, (drawn.get(j) ?? 0) + 1);
      for (const [j, count] of drawn) {
        marker(ctx, "circle", x, p.py(part(j)), networks ? 1.4 + 1.4 * Math.sqrt(count) : 3.2, "#ffffff", "#000000");
      }
    }
    marker(ctx, "circle", p.px(steps[now.step_index]), p.py(part(column())), 7, plan.yours, "#000000");
    const [stepOf, shareOf] = [(i) => Math.floor(i / table.S), (i) => i % table.S];
    p.points({
      n: walked * table.S, x: (i) => steps[stepOf(i)], y: (i) => part(shareOf(i)),
      text: (i) => `step ${steps[stepOf(i)]}: ${percent(shareOf(i))} ${gives(table.lossesAt(stepOf(i))[shareOf(i)])}`,
    });
  }

  // What the map's colours mean.
  function drawKey(ctx, colours, p, walked, grey) {
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text });
    const bar = write(ctx, "the step's worst split", p.left, 14) + 8;
    const length = Math.min(90, p.width * 0.27);
    colourBar(ctx, bar, 5, length, 10, plan.colours, [], colours);
    const dot = write(ctx, networks ? "its best, of each network" : "its best", bar + length + 8, 14) + 11;
    marker(ctx, "circle", dot, 10, 3.6, "#ffffff", "#000000");
    const columns = Array.from({ length: walked }, (_, k) => table.codesAt(k));
    let x = p.left;
    for (const [code, fill, text] of [[plan.done, plan.pale, `learned: loss below ${learnedWords}`], [255, grey, "overflows"]]) {
      if (!columns.some((codes) => codes.includes(code))) continue;
      Object.assign(ctx, { fillStyle: fill, strokeStyle: colours.text, lineWidth: 0.5 });
      ctx.fillRect(x, 24, 20, 10);
      ctx.strokeRect(x, 24, 20, 10);
      ctx.fillStyle = colours.text;
      x = write(ctx, text, x + 26, 33) + 16;
    }
  }

  // --- the curve ----------------------------------------------------------------------------------------------

  // The axis fits the curve, up to a multiple of the first loss: a run that diverges would hide the others.
  function lossAxis(losses) {
    const finite = [...losses].filter(Number.isFinite);
    if (!finite.length) return { range: [0, 1] };
    let [low, high] = [Math.min(...finite), Math.max(...finite)].map((v) => Math.max(v, learned));
    if (low < plan.above * table.first) high = Math.min(high, plan.above * table.first);
    if (high === learned) high = table.first; // a curve along the bottom
    const log = high > plan.log_from * low;
    const room = log ? (high / low) ** 0.08 : Math.max((high - low) * 0.08, plan.room * high);
    return { range: log ? [low / room, high * room] : [low - room, high + room], log };
  }

  function drawCurve(ctx, colours) {
    const losses = table.lossesAt(now.step_index);
    const y = lossAxis(losses);
    const title = `loss after step ${steps[now.step_index]}, budget ${table.budgets[now.budget_index]}`;
    const p = view.plot(ctx, colours, box(ctx, 62, 22), shareAxis([0, 1]), { ...y, title }, { yTicks: y.log ? 8 : 6 });
    const loss = (j) => (Number.isFinite(losses[j]) ? Math.max(losses[j], learned) : Infinity);
    const [px, py] = [(j) => p.px(part(j)), (j) => p.py(p.within(loss(j)))];
    p.rule(plan.equal, { alpha: 0.7, dash: [6, 5] });
    const found = tells() ? dotted(now.step_index) : [];
    ctx.globalAlpha = 0.7;
    ctx.setLineDash([2, 3]);
    for (const j of found) line(ctx, px(j), py(j), px(j), p.bottom);
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
    const name = losses.some((v) => v < learned) ? `loss (${learnedWords} where it is less)` : "loss";
    const reads = (j) => `${percent(j)} ${gives(losses[j])}`;
    p.curve({ name, n: table.S, x: part, y: loss, colour: colours.text, reads });
    for (const j of found) marker(ctx, "circle", px(j), py(j), 5, "#ffffff", "#000000");
    const shape = loss(column()) <= y.range[1] ? "circle" : "triangle-up";
    marker(ctx, shape, px(column()), Math.max(p.top + 7, py(column())), 7, plan.yours, "#000000");
    Object.assign(ctx, { fillStyle: colours.text, strokeStyle: colours.paper, lineWidth: 4, lineJoin: "round" });
    ctx.textAlign = "left";
    ctx.strokeText("equal", p.px(plan.equal) + 5, p.bottom - 6); // a halo: the curve may run through it
    write(ctx, "equal", p.px(plan.equal) + 5, p.bottom - 6);
  }

  // --- the controls -------------------------------------------------------------------------------------------

  const share = view.slider("share_index", "share of layer 1", shares);
  view.shows.push(() => (share.querySelector("input").step = table.stride));
  const reset = view.reset();
  reset.addEventListener("click", () => (reached = 0));
  const sliders = element("div", { class: "lwlr-controls" });
  if (table.budgets.length > 1) sliders.append(view.slider("budget_index", "budget η₁ + η₂", () => table.budgets));
  sliders.append(share);
  if (steps.length > 1) {
    sliders.append(view.slider("step_index", "step", () => steps.slice(0, table.steps)),
      view.player("step_index", () => table.steps - 1, PLAY_MS));
  }
  const rows = [sliders];
  if (plan.choices) {
    const widths = view.dropdown("width", "width", [...plan.widths, gaussianWidth]);
    /** @type {[any, any]} */
    const [list, its] = [widths.querySelector("select"), widths.querySelector(`[value="${gaussianWidth}"]`)];
    view.shows.push(() => {
      // That width belongs to the other start, which has no other.
      list.disabled = now.start === gaussian;
      its.hidden = !list.disabled;
      if (list.disabled) list.value = gaussianWidth;
    });
    rows.push(element("div", { class: "lwlr-controls" }, view.choice("layers", "number of layers", plan.layers),
      view.choice("dynamics", "dynamics", plan.dynamics), view.choice("start", "start", plan.starts), widths));
  }
  const reveal = button("reveal", "", "which splits are best", () => view.commit({ revealed: !now.revealed }));
  view.shows.push(() => (reveal.textContent = now.revealed ? "hide the best" : "show the best"));
  rows[rows.length - 1].append(reveal, reset);
  view.heard.push(state);

  return view.open("splits", sentence, ...rows, view.words(() => `${state()} ${verdict()}`.trim()),
    element("div", { class: "lwlr-body" }, view.picture("map", drawMap, "", { drags: true }),
      view.picture("curve", drawCurve, "The loss against the share. ", { drags: true })));
}

export default { render };
