// The schedule view: the rate under each schedule, which is also the pad to draw one; the training loss under
// each; and who ends lowest.
import { axes, colourOf, fit, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, element, legend, listen, live, save, slider, toggled } from "../kit/controls.js";
import { pad } from "../kit/pad.js";

const PAUSE_MS = 400; // without a key, until a schedule that is drawn with keys counts as drawn
const PATIENCE_MS = 6000; // until the kernel is said to be away

function render({ model, el }) {
  const plan = model.get("plan");
  const { families, rates, values, steps, at_steps: atSteps, ceiling, columns } = plan;
  const points = atSteps.length;
  const factors = typed(Uint16Array, model.get("factors")); // (schedule, rate, step)
  const table = {
    // (schedule, rate, 3): lowest, median and highest of the seeds
    loss: typed(Float32Array, model.get("final_losses")),
    accuracy: typed(Float32Array, model.get("accuracies")),
    curves: typed(Float32Array, model.get("curves")), // (schedule, rate, point)
  };
  let mine = null; // the same for the drawn schedule, when it was trained

  const now = {};
  let unsaid = false; // drawn here, and not sent yet
  let sentAt = 0;
  let pause = 0;
  const pull = () => {
    Object.assign(now, { lr: model.get("lr_index"), ownBest: model.get("own_best"), shown: model.get("shown") });
    now.positions = model.get("positions");
    if (!unsaid) now.drawn = model.get("drawn");
  };
  const pullRace = () => {
    now.raced = model.get("raced");
    mine = null;
    if (!now.raced.length) return;
    const row = typed(Float32Array, model.get("race"));
    const n = 3 * rates.length;
    mine = { loss: row.subarray(0, n), accuracy: row.subarray(n, 2 * n), curves: row.subarray(2 * n) };
  };
  const push = (also = {}) =>
    save(model, { lr_index: now.lr, own_best: now.ownBest, shown: now.shown, positions: now.positions, ...also });

  const known = () => mine && now.drawn.length > 0 && now.drawn.every((v, i) => v === now.raced[i]);
  const visible = () => families.filter((m) => now.shown.includes(m.name) && (!m.drawn || now.drawn.length));
  const inRace = () => visible().filter((m) => !m.drawn || known());

  // Where the numbers of a schedule are, and which peak rate is in force.
  function runOf(m) {
    const from = m.drawn ? mine : table;
    const run = m.drawn ? 0 : m.first + (now.positions[m.name] ?? 0);
    let lr = now.lr;
    if (now.ownBest && from) {
      const median = (j) => from.loss[(run * rates.length + j) * 3 + 1];
      lr = rates.reduce((best, _, j) => (median(j) < median(best) ? j : best), 0);
    }
    return { from, run, lr, at: run * rates.length + lr };
  }
  function outcome(m) {
    const { from, lr, at } = runOf(m);
    const [low, loss, high] = from.loss.subarray(3 * at, 3 * at + 3);
    return { m, lr, low, loss, high, accuracy: from.accuracy[3 * at + 1] };
  }
  const ranking = () => inRace().map(outcome).sort((a, b) => a.loss - b.loss || 0);
  const isLeader = (o, first) => o.low <= first.high;

  const mode = () => (now.ownBest ? "each at its own best peak rate" : `all at peak rate ${rates[now.lr]}`);
  const percent = (share) => `${Math.round(100 * share)}%`;
  const entry = (o) => `${o.m.name} ${short(o.loss)}` + (now.ownBest ? ` at ${rates[o.lr]}` : "");
  function verdict(ranks) {
    if (!ranks.length) return "no schedule is shown";
    if (!Number.isFinite(ranks[0].loss)) return "every run is lost";
    const leaders = ranks.filter((o) => isLeader(o, ranks[0]));
    const first = leaders.map(entry).join(", ");
    const rest = ranks.filter((o) => !leaders.includes(o)).map(entry).join(", ");
    const lead = leaders.length > 1 ? `${first} are about equal (their seeds overlap)` : `lowest ${first}`;
    return rest ? `${lead}; then ${rest}` : lead;
  }
  const sentence = (ranks) =>
    `${plan.title}, ${mode()}, final training loss after ${steps} steps: ${verdict(ranks)}.`;

  const ratesFrame = (width, height, top) =>
    frame(48, 26, width - 62, height - 66, { range: [0, steps] }, { range: [0, top] });

  function drawRates(ctx, colours) {
    const peakOf = (m) => values[m.drawn && !known() ? now.lr : runOf(m).lr];
    const tops = now.ownBest ? visible().map(peakOf) : [];
    const f = ratesFrame(ctx.cssWidth, ctx.cssHeight, ceiling * Math.max(...(tops.length ? tops : [values[now.lr]])));
    axes(ctx, f, colours, { xTitle: "step", yTitle: `rate, ${mode()}` });
    visible().forEach((m, i, all) => {
      const peak = peakOf(m);
      const colour = colourOf(m.style, colours);
      let n, px, py;
      if (m.drawn) {
        n = columns;
        px = (k) => f.px((k / (n - 1)) * (steps - 1));
        py = (k) => f.py(peak * now.drawn[k]);
      } else {
        const from = runOf(m).at * steps;
        n = steps;
        px = f.px;
        py = (k) => f.py((peak * factors[from + k] * ceiling) / 65535);
      }
      polyline(ctx, n, px, py, { colour, dash: m.style.dash, width: m.drawn ? 3.5 : 2 });
      const k = Math.round(((i + 0.5) / all.length) * (n - 1)); // each marker at a place of its own
      marker(ctx, m.style.marker, px(k), py(k), 4.5, colour, colours.paper);
    });
    if (!plan.pad) return;
    cursorLine(ctx, f, colours);
    if (now.drawn.length) return;
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "right" });
    ctx.fillText("✎ draw your own here", f.right, f.top - 7);
  }

  function drawLosses(ctx, colours) {
    const y = { range: plan.loss_range, log: true };
    const f = frame(48, 26, ctx.cssWidth - 62, ctx.cssHeight - 66, { range: [0, steps] }, y);
    axes(ctx, f, colours, { xTitle: "step", yTitle: "training loss" });
    const [low, high] = plan.loss_range;
    for (const m of inRace()) {
      const { from, at } = runOf(m);
      const px = (k) => f.px(atSteps[k]);
      const py = (k) => f.py(Math.min(high, Math.max(low, from.curves[at * points + k])));
      const colour = colourOf(m.style, colours);
      polyline(ctx, points, px, py, { colour, dash: m.style.dash, width: m.drawn ? 3.5 : 2 });
      marker(ctx, m.style.marker, px(points - 1), py(points - 1), 4.5, colour, colours.paper);
    }
  }

  // The axis reaches a little further than the results, and is never so short that small differences look large.
  function lossRange(ranks) {
    const found = ranks.flatMap((o) => [o.low, o.high]).filter((v) => Number.isFinite(v) && v > 0);
    if (!found.length) return plan.loss_range;
    const [low, high] = [Math.min(...found), Math.max(...found)];
    const wider = Math.max(1.2, Math.sqrt((3 * low) / high));
    return [low / wider, high * wider];
  }

  function drawRanks(ctx, colours, ranks) {
    ctx.font = `600 ${colours.font}`;
    const nameOf = (o) => o.m.name + (now.ownBest ? ` at ${rates[o.lr]}` : "");
    const names = 62 + Math.max(60, ...ranks.map((o) => ctx.measureText(nameOf(o)).width));
    const [low, high] = lossRange(ranks);
    const f = frame(names, 26, ctx.cssWidth - names - 50, ctx.cssHeight - 74, { range: [low, high], log: true }, { range: [0, 1] });
    axes(ctx, f, colours, { yTicks: 0 });
    const rowHeight = f.height / Math.max(ranks.length, 1);
    const px = (loss) => f.px(Math.min(high, Math.max(low, loss)));
    const leaders = ranks.filter((o) => isLeader(o, ranks[0]));
    const lost = ranks.length > 0 && !Number.isFinite(ranks[0].loss);
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "left" });
    ctx.fillText(`final training loss, median and range of ${plan.seeds} seeds`, 4, 14);
    if (ranks.length) {
      const several = `${leaders.length} are about equal (bold): their seeds overlap with the first's`;
      ctx.fillText(lost ? "every run is lost" : leaders.length > 1 ? several : `${ranks[0].m.name} ends lowest`, 4, ctx.cssHeight - 6);
    }
    ctx.textAlign = "right";
    ctx.fillText("test accuracy", ctx.cssWidth - 4, 14);
    if (leaders.length > 1 && !lost) {
      ctx.fillStyle = colours.faint;
      ctx.fillRect(px(ranks[0].low), f.top, px(ranks[0].high) - px(ranks[0].low), f.height);
    }
    ranks.forEach((o, row) => {
      const y = f.top + (row + 0.5) * rowHeight;
      const colour = colourOf(o.m.style, colours);
      Object.assign(ctx, { strokeStyle: colour, lineWidth: 7, globalAlpha: 0.35, lineCap: "butt" });
      ctx.beginPath();
      ctx.moveTo(px(o.low) - 1, y);
      ctx.lineTo(px(o.high) + 1, y);
      ctx.stroke();
      ctx.globalAlpha = 1;
      marker(ctx, o.m.style.marker, px(o.loss), y, 5, colour, colours.paper);
      Object.assign(ctx, { font: (leaders.includes(o) ? "600 " : "") + colours.font, fillStyle: colours.text, textBaseline: "middle" });
      ctx.textAlign = "left";
      ctx.fillText(nameOf(o), 4, y);
      ctx.textAlign = "right";
      ctx.fillText(short(o.loss), names - 8, y);
      ctx.fillText(percent(o.accuracy), ctx.cssWidth - 4, y);
    });
    ctx.textBaseline = "alphabetic";
  }

  const canvases = ["factors", "curves", "ranks"].map((name) => element("canvas", { class: `lwlr-${name}`, role: "img" }));
  const draw = painter(() => {
    const colours = theme();
    const ranks = ranking();
    const said = sentence(ranks);
    ["", "Training loss. ", "Ranking. "].forEach((what, i) => canvases[i].setAttribute("aria-label", what + said));
    list.draw(colours, now.shown, readout);
    const [onRates, onLosses, onRanks] = canvases.map(fit);
    if (onRates) drawRates(onRates, colours);
    if (onLosses) drawLosses(onLosses, colours);
    if (onRanks) drawRanks(onRanks, colours, ranks);
    const words = state(ranks);
    if (status.textContent !== words) status.textContent = words;
  });
  function readout(name) {
    if (!families.find((m) => m.name === name).drawn || known()) return "";
    return now.drawn.length ? "…" : "not drawn yet";
  }

  // What has become of the drawn schedule.
  function state(ranks) {
    if (!plan.pad) return "";
    if (!now.drawn.length) return "Draw a schedule of your own on the left: with mouse, finger or arrow keys.";
    const place = 1 + ranks.findIndex((o) => o.m.drawn);
    if (place) return `Yours is number ${place} of ${ranks.length}. Draw again to change it.`;
    if (known()) return "Yours is in the race, and hidden.";
    if (unsaid) return "It joins the race when you let go.";
    if (performance.now() - sentAt < PATIENCE_MS) return "Training the network with your schedule …";
    return "Your schedule is not in the race: the kernel is busy or gone.";
  }

  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const peak = slider("lr", "peak rate", rates, {
    onInput: (lr) => {
      change({ lr, ownBest: false });
      show();
    },
    onRelease: () => push(),
  });
  const own = button("own", "each at its own best peak", "give every schedule the peak rate at which it ends lowest", () => {
    change({ ownBest: !now.ownBest });
    show();
    push();
  });
  const reset = button("reset", "reset", "put everything back as it was", () => {
    const { lr_index: lr, own_best: ownBest, shown, positions } = plan.start;
    clearTimeout(pause);
    unsaid = false;
    change({ lr, ownBest, shown, positions, drawn: [] });
    show();
    push({ drawn: [] });
  });
  const list = legend(families, "", (name, on) => {
    change({ shown: toggled(families, now.shown, name, on) });
    push();
  });
  // The slider of a schedule's parameter stands beside its name.
  const parameters = [];
  [...list.root.querySelectorAll(".lwlr-method")].forEach((row, i) => {
    const { name, parameter, labels } = families[i];
    if (labels.length < 2) {
      row.classList.add("lwlr-alone");
      return;
    }
    const made = slider(name, parameter, labels, {
      onInput: (position) => change({ positions: { ...now.positions, [name]: position } }),
      onRelease: () => push(),
    });
    made.row.querySelector("input").setAttribute("aria-label", `${name}, ${parameter}`);
    row.after(made.row);
    parameters.push([name, made]);
  });
  function show() {
    peak.show(now.lr);
    if (now.ownBest) peak.row.querySelector("output").textContent = "own best";
    own.setAttribute("aria-pressed", now.ownBest);
    for (const [name, made] of parameters) made.show(now.positions[name]);
  }

  function send() {
    clearTimeout(pause);
    unsaid = false;
    sentAt = performance.now();
    push({ drawn: now.drawn });
    setTimeout(draw, PATIENCE_MS + 100);
    draw();
  }
  // What is drawn is the rate at the peak that all share: that is the height of the picture.
  const cursorLine = plan.pad && pad(canvases[0], {
    columns,
    frameOf: (width, height) => ratesFrame(width, height, 1),
    open: () => true,
    heights: () => now.drawn.map((factor) => factor / ceiling),
    change: (heights) => {
      unsaid = true;
      clearTimeout(pause);
      const shown = toggled(families, now.shown, families[families.length - 1].name, true);
      change({ drawn: heights.map((height) => height * ceiling), ownBest: false, shown });
      show();
    },
    release: (event) => {
      clearTimeout(pause);
      if (!unsaid) return;
      if (event.type === "keyup") pause = setTimeout(send, PAUSE_MS);
      else send();
    },
    redraw: draw,
  });
  if (plan.pad) canvases[0].classList.add("lwlr-pad");

  const status = element("span", { class: "lwlr-status", role: "status" });
  const root = element("div", { class: "lwlr-view lwlr-schedules" },
    element("div", { class: "lwlr-controls" }, peak.row, own, reset, ...(plan.pad ? [status] : [])),
    element("div", { class: "lwlr-body" }, ...canvases, list.root));
  pull();
  pullRace();
  const end = live(model, el, root, ["lr_index", "own_best", "shown", "positions", "drawn"], { pull, show, draw });
  const unlistenRace = listen(model, ["race", "raced"], () => {
    pullRace();
    draw();
  });
  return () => {
    clearTimeout(pause);
    unlistenRace();
    end();
  };
}

export default { render };
