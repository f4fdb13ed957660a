// The schedule view: the rate under each schedule, which is also the pad to draw one; the training loss under
// each; and who ends lowest.
import { colourOf, marker, typed } from "../kit/canvas.js";
import { button, element, listen, toggled } from "../kit/controls.js";
import { pad } from "../kit/pad.js";
import { stage } from "../kit/stage.js";
import { percent, short } from "../kit/text.js";

const PAUSE_MS = 400; // without a key, until a schedule that is drawn with keys counts as drawn
const PATIENCE_MS = 6000; // until the kernel is said to be away

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { families, rates, values, steps, at_steps: atSteps, ceiling, columns } = plan;
  const points = atSteps.length;
  const factors = typed(Uint16Array, model.get("factors")); // (schedule, rate, step)
  const table = {
    // (schedule, rate, 3): lowest, median and highest of the seeds
    loss: typed(Float32Array, model.get("final_losses")),
    accuracy: typed(Float32Array, model.get("accuracies")),
    curves: typed(Float32Array, model.get("curves")), // (schedule, rate, point)
  };
  /** @type {any} */
  let mine = null; // the same for the drawn schedule, when it was trained
  let raced = []; // the drawn schedule that these numbers are of
  function pullRace() {
    raced = model.get("raced");
    mine = null;
    if (!raced.length) return;
    const row = typed(Float32Array, model.get("race"));
    const n = 3 * rates.length;
    mine = { loss: row.subarray(0, n), accuracy: row.subarray(n, 2 * n), curves: row.subarray(2 * n) };
  }

  const known = () => mine && now.drawn.length > 0 && now.drawn.every((v, i) => v === raced[i]);
  const visible = () => families.filter((m) => now.shown.includes(m.name) && (!m.drawn || now.drawn.length));
  const inRace = () => visible().filter((m) => !m.drawn || known());

  // Where the numbers of a schedule are, and which peak rate is in force.
  function runOf(m) {
    const from = m.drawn ? mine : table;
    const run = m.drawn ? 0 : m.first + (now.positions[m.name] ?? 0);
    let lr = now.lr_index;
    if (now.own_best && from) {
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

  const mode = () => (now.own_best ? "each at its own best peak rate" : `all at peak rate ${rates[now.lr_index]}`);
  const entry = (o) => `${o.m.name} ${short(o.loss)}` + (now.own_best ? ` at ${rates[o.lr]}` : "");
  function verdict(ranks) {
    if (!ranks.length) return "no schedule is shown";
    if (!Number.isFinite(ranks[0].loss)) return "every run is lost";
    const leaders = ranks.filter((o) => isLeader(o, ranks[0]));
    const first = leaders.map(entry).join(", ");
    const rest = ranks.filter((o) => !leaders.includes(o)).map(entry).join(", ");
    const lead = leaders.length > 1 ? `${first} are about equal (their seeds overlap)` : `lowest ${first}`;
    return rest ? `${lead}; then ${rest}` : lead;
  }
  const sentence = () => `${plan.title}, ${mode()}, final training loss after ${steps} steps: ${verdict(ranking())}.`;

  const stepAxis = { title: "step", range: [0, steps] };
  const box = (ctx) => ({ left: 48, top: 26, width: ctx.cssWidth - 62, height: ctx.cssHeight - 66 });

  function drawRates(ctx, colours) {
    // What is being drawn has no best peak yet: it reaches as high as the picture, so that it follows the pen.
    const waits = (m) => m.drawn && !known();
    const peaks = now.own_best ? visible().filter((m) => !waits(m)).map((m) => values[runOf(m).lr]) : [];
    const highest = Math.max(...(peaks.length ? peaks : [values[now.lr_index]]));
    const top = ceiling * highest;
    const p = view.plot(ctx, colours, box(ctx), stepAxis, { title: `rate, ${mode()}`, range: [0, top] });
    visible().forEach((m, i, all) => {
      const [peak, n] = [waits(m) ? highest : values[runOf(m).lr], m.drawn ? columns : steps];
      const from = m.drawn ? 0 : runOf(m).at * steps;
      const x = (k) => (m.drawn ? (k / (n - 1)) * (steps - 1) : k);
      const rate = (k) => peak * (m.drawn ? now.drawn[k] : (factors[from + k] / 65535) * ceiling);
      p.curve({ ...m, n, x, y: rate, width: m.drawn ? 3.5 : 2 });
      const k = Math.round(((i + 0.5) / all.length) * (n - 1)); // each marker at a place of its own
      p.mark(m.style, x(k), rate(k), 4.5);
    });
    if (!plan.pad) return;
    cursorLine(ctx, p, colours);
    ctx.font = `600 ${colours.font}`;
    const [title, call] = [p.y.title, "✎ draw your own here"];
    if (now.drawn.length) return;
    Object.assign(ctx, { fillStyle: colours.text, textAlign: "right" });
    const fits = ctx.measureText(title + call).width <= p.width; // else it stands in the picture
    ctx.fillText(call, p.right - (fits ? 0 : 6), p.top + (fits ? -7 : 20));
  }

  function drawLosses(ctx, colours) {
    const p = view.plot(ctx, colours, box(ctx), stepAxis, { title: "training loss", range: plan.loss_range, log: true });
    for (const m of inRace()) {
      const { from, at } = runOf(m);
      const [x, loss] = [(k) => atSteps[k], (k) => from.curves[at * points + k]];
      p.curve({ ...m, n: points, x, y: loss, width: m.drawn ? 3.5 : 2 });
      p.mark(m.style, x(points - 1), loss(points - 1), 4.5);
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

  function drawRanks(ctx, colours) {
    const ranks = ranking();
    ctx.font = `600 ${colours.font}`;
    const nameOf = (o) => o.m.name + (now.own_best ? ` at ${rates[o.lr]}` : "");
    // On a telephone long names get narrower, so that there is room for the results.
    const names = Math.min(62 + Math.max(60, ...ranks.map((o) => ctx.measureText(nameOf(o)).width)), ctx.cssWidth * 0.55);
    const [low, high] = lossRange(ranks);
    const box = { left: names, top: 26, width: ctx.cssWidth - names - 50, height: ctx.cssHeight - 74 };
    const f = view.plot(ctx, colours, box, { range: [low, high], log: true }, { range: [0, 1] }, { yTicks: 0 });
    const rowHeight = f.height / Math.max(ranks.length, 1);
    const px = (loss) => f.px(Math.min(high, Math.max(low, loss)));
    f.cellAt = (_, top) => {
      const row = Math.floor((top - f.top) / rowHeight);
      const o = ranks[row];
      return o && {
        text: `${nameOf(o)}: final loss ${short(o.loss)}, seeds ${short(o.low)} to ${short(o.high)}, ${percent(o.accuracy)} right`,
        px: px(o.loss), py: f.top + (row + 0.5) * rowHeight, away: 0,
      };
    };
    const leaders = ranks.filter((o) => isLeader(o, ranks[0]));
    const lost = ranks.length > 0 && !Number.isFinite(ranks[0].loss);
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "left" });
    ctx.fillText(`final training loss, median and range of ${plan.seeds} seeds`, 4, 14, ctx.cssWidth - 96);
    if (ranks.length) {
      const several = `${leaders.length} about equal (bold): seeds overlap with the first's (grey)`;
      ctx.fillText(lost ? "every run is lost" : leaders.length > 1 ? several : `${ranks[0].m.name} ends lowest`, 4, ctx.cssHeight - 6, ctx.cssWidth - 4);
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
      marker(ctx, o.loss > high ? "triangle-right" : o.m.style.marker, px(o.loss), y, 5, colour, colours.paper);
      Object.assign(ctx, { font: (leaders.includes(o) ? "600 " : "") + colours.font, fillStyle: colours.text, textBaseline: "middle" });
      ctx.textAlign = "left";
      ctx.fillText(nameOf(o), 4, y, names - 58);
      ctx.textAlign = "right";
      ctx.fillText(short(o.loss), names - 8, y);
      ctx.fillText(percent(o.accuracy), ctx.cssWidth - 4, y);
    });
    ctx.textBaseline = "alphabetic";
  }

  function readout(name) {
    if (!families.find((m) => m.name === name).drawn || known()) return "";
    return now.drawn.length ? "…" : "not drawn yet";
  }

  // What has become of the drawn schedule.
  function state() {
    if (!plan.pad) return "";
    if (!now.drawn.length) return "Draw a schedule of your own in the first picture: with mouse, finger or arrow keys.";
    const ranks = ranking();
    const place = 1 + ranks.findIndex((o) => o.m.drawn);
    const equal = ranks.filter((o) => isLeader(o, ranks[0])).length;
    const stands = place <= equal && equal > 1 ? `one of ${equal} that are about equal` : `number ${place} of ${ranks.length}`;
    if (place) return `Yours is ${stands}. Draw again to change it.`;
    if (known()) return "Yours is in the race, and hidden.";
    if (unsaid) return "It joins the race when you let go.";
    if (performance.now() - sentAt < PATIENCE_MS) return "Training the network with your schedule …";
    return "Your schedule is not in the race: the kernel is busy or gone.";
  }

  // The pad is the picture of the rates. What is drawn is the rate at the peak that all share: that is its height.
  const canvas = view.picture("factors", drawRates);
  let unsaid = false; // drawn here, and not sent yet
  let sentAt = 0;
  let pause = 0;
  function send() {
    clearTimeout(pause);
    unsaid = false;
    sentAt = performance.now();
    view.commit();
    setTimeout(view.draw, PATIENCE_MS + 100);
  }
  const cursorLine = plan.pad && pad(canvas, {
    columns,
    frameOf: () => (canvas.plots ?? [])[0],
    open: () => true,
    heights: () => now.drawn.map((factor) => factor / ceiling),
    change: (heights) => {
      unsaid = true;
      clearTimeout(pause);
      const shown = toggled(families, now.shown, families[families.length - 1].name, true);
      view.change({ drawn: heights.map((height) => height * ceiling), shown });
    },
    release: (event) => {
      clearTimeout(pause);
      if (!unsaid) return;
      if (event.type === "keyup") pause = setTimeout(send, PAUSE_MS);
      else send();
    },
    redraw: view.draw,
  });
  canvas.classList.toggle("lwlr-pad", plan.pad);

  const peak = view.slider("lr_index", "peak rate", rates, "lr", { also: { own_best: false } });
  const own = button("own", "each at its own best peak", "give every schedule the peak rate at which it ends lowest",
    () => view.commit({ own_best: !now.own_best }));
  const status = element("span", { class: "lwlr-status" });
  view.heard.push(() => (now.drawn.length ? state() : ""));
  view.shows.push(() => {
    const shown = peak.querySelector(".lwlr-value");
    if (now.own_best && document.activeElement !== shown) shown.value = "own best";
    own.setAttribute("aria-pressed", now.own_best);
    if (status.textContent !== state()) status.textContent = state();
  });
  // The slider of a schedule's parameter stands beside its name.
  const list = view.legend(families, "", readout);
  list.querySelectorAll(".lwlr-method").forEach((row, i) => {
    const { name, parameter, labels } = families[i];
    row.classList.toggle("lwlr-alone", labels.length < 2);
    if (labels.length < 2) return;
    const made = view.slider("positions", parameter, labels, name, { key: name });
    for (const input of made.querySelectorAll("input")) input.setAttribute("aria-label", `${name}, ${input.getAttribute("aria-label")}`);
    row.after(made);
  });

  pullRace();
  const unlisten = listen(model, ["race", "raced"], () => {
    pullRace();
    view.draw();
  });
  const end = view.open("schedules", sentence,
    element("div", { class: "lwlr-controls" }, peak, own, view.reset(), ...(plan.pad ? [status] : [])),
    element("div", { class: "lwlr-body" }, canvas, view.picture("curves", drawLosses, "Training loss. "),
      view.picture("ranks", drawRanks, "Ranking. "), list));
  return () => {
    clearTimeout(pause);
    unlisten();
    end();
  };
}

export default { render };
