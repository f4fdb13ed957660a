// The microscope: one or two rules, update by update, with every number that they compute on their way. The gradients
// above, a panel of bars for each method, and the change of the parameter below.
import { line, marker } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { pad } from "../kit/pad.js";
import { stage } from "../kit/stage.js";
import { label, short } from "../kit/text.js";
import { drawPanel, panelHeight } from "./panel.js";

// Python writes the methods' programs here, one for each; each tells the values of its rule's names.
const PROGRAMS = /** @type {Program[]} */ ([]);
const PLAY_MS = 12_000; // all steps, when played
const HINT = "Bars reach as far as powers of ten, to the left where a number is negative. The parameter begins at 1.";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { steps, methods, sequences, words } = plan;
  const drawnByHand = () => now.gradients === "drawn";
  const none = Array(steps).fill(0);
  const gradients = () => (drawnByHand() ? (now.drawn.length ? now.drawn : none) : sequences[now.gradients]);
  const said = (value) => (Number.isNaN(value) ? "no number" : short(value * plan.nudge));

  const exactly = (value) => (Number.isFinite(value) ? label(value) : said(value));

  // What a method computes: for every step the values of its names, then the change; and where the parameter is.
  const kept = methods.map(() => ({ key: "", rows: [], places: [] }));
  function runOf(i) {
    const { settings, sliders, watched } = methods[i];
    const chosen = sliders.map(({ key, name, labels }) => [name, Number(labels[now.positions[key]])]);
    const key = [gradients(), chosen].join();
    if (kept[i].key === key) return kept[i];
    const h = { ...settings, ...Object.fromEntries(chosen) };
    const [p, s] = [Float64Array.of(plan.begins), new Float64Array(PROGRAMS[i].size)];
    const w = new Float64Array(watched.length);
    const places = [];
    const rows = gradients().map((g, t) => {
      const before = p[0];
      PROGRAMS[i].step(p, Float64Array.of(g), s, h, t + 1, w);
      places.push(p[0]);
      return [...w, p[0] - before];
    });
    return Object.assign(kept[i], { key, rows, places });
  }

  // The rows of a panel. At this step a rule may not come to a name; then its line is null.
  function rowsOf(i) {
    const { rows, places } = runOf(i);
    const values = rows[now.step_index];
    const own = methods[i].watched.map((w, k) => ({ name: w.name, line: now.step_index ? w.line : w.first, value: values[k] }));
    const change = { name: plan.change, line: `the parameter is at ${exactly(places[now.step_index])}`, value: values.at(-1) };
    return [...own, change];
  }

  const called = (m) => {
    const moved = m.sliders.filter((s) => s.name === "lr" || now.positions[s.key] !== s.default);
    return `${m.name} at ${moved.map((s) => `${s.title} ${s.labels[now.positions[s.key]]}`).join(", ")}`;
  };
  const sentence = () => {
    const each = methods.map((m, i) => {
      const rows = rowsOf(i).filter((row) => row.line !== null);
      return `${called(m)}: ${rows.map((row) => `${row.name} ${said(row.value)}`).join(", ")}`;
    });
    const gradient = said(gradients()[now.step_index]);
    return `Step ${now.step_index + 1} of ${steps} of ${words[now.gradients]}, gradient ${gradient}. ${each.join(". ")}.`;
  };

  const stepValues = none.map((_, i) => i + 1);
  /** @type {Axis} */
  const stepAxis = { title: "step", range: [0.5, steps + 0.5], trait: "step_index", values: stepValues };
  const around = (values) => {
    const known = values.filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
    const more = 0.12 * (high - low) || 1;
    return [low - more, high + more];
  };
  /** @type {(ctx: Context, colours: Colours, title: string, values: number[], axis?: Axis, range?: number[]) => Plot} */
  const strip = (ctx, colours, title, values, axis = stepAxis, range = around(values)) => {
    const box = { left: 60, top: 22, width: ctx.cssWidth - 70, height: ctx.cssHeight - 62 };
    const p = view.plot(ctx, colours, box, axis, { title, range }, { yTicks: 4 });
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    line(ctx, p.left, p.py(0), p.right, p.py(0));
    p.rule(now.step_index + 1, { width: 1.5 });
    return p;
  };

  function drawGradients(ctx, colours) {
    const values = gradients();
    // A pad's first and last column stand at its edges.
    const [axis, range] = drawnByHand() ? [{ title: "step", range: [1, steps] }, [-plan.reach, plan.reach]] : [];
    const p = strip(ctx, colours, "gradient", values, axis, range);
    const [x, y] = [(k) => k + 1, (k) => values[k]];
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    values.forEach((_, k) => line(ctx, p.px(x(k)), p.py(0), p.px(x(k)), p.py(y(k))));
    p.curve({ name: "gradient", n: steps, x, y, width: 0, alpha: 0 });
    const at = now.step_index;
    values.forEach((_, k) => marker(ctx, "circle", p.px(x(k)), p.py(y(k)), k === at ? 5 : 3, colours.text, colours.paper));
    if (!drawnByHand()) return;
    cursorLine(ctx, p, colours);
    if (now.drawn.length) return;
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "right" });
    ctx.fillText("✎ draw gradients here", p.right, p.top - 7);
  }

  function drawChanges(ctx, colours) {
    const runs = methods.map((m, i) => ({ ...m, changes: runOf(i).rows.map((row) => row.at(-1)) }));
    const p = strip(ctx, colours, `${plan.change}, the change of the parameter`, runs.flatMap((m) => m.changes));
    for (const { name, style, changes } of runs) {
      p.curve({ name, style, n: steps, x: (k) => k + 1, y: (k) => changes[k], gaps: true, text: said });
      p.mark(style, now.step_index + 1, changes[now.step_index]);
    }
  }

  // The powers of ten between which all values of all steps lie, so that bars can be compared.
  function ends() {
    const sizes = methods.flatMap((_, i) => runOf(i).rows.flat()).map(Math.abs).filter((v) => v > 0 && v < Infinity);
    const high = Math.ceil(Math.log10(sizes.length ? Math.max(...sizes) : 1) - 1e-9);
    const low = Math.floor(Math.log10(sizes.length ? Math.min(...sizes) : 0.1) - 0.3);
    return [Math.max(Math.min(low, high - 1), high - plan.decades), high];
  }

  const gradientStrip = view.picture("gradients", drawGradients, "", { drags: true });
  const canvas = view.picture("gradients pad", drawGradients, "Draw gradients here. ");
  const cursorLine = pad(canvas, {
    columns: steps,
    frameOf: () => (canvas.plots ?? [])[0],
    open: () => true,
    heights: () => now.drawn.map((g) => (g / plan.reach + 1) / 2),
    // What is drawn almost at 0 is 0.
    change: (heights) => view.change({ drawn: heights.map((height) => {
      const g = plan.reach * (2 * height - 1);
      return Math.abs(g) < 0.04 * plan.reach ? 0 : Number(g.toFixed(3));
    }) }),
    release: () => view.commit(),
    redraw: view.draw,
  });
  view.shows.push(() => {
    gradientStrip.hidden = drawnByHand();
    canvas.hidden = !drawnByHand();
  });

  const subjects = methods.map((m, i) => {
    const sliders = m.sliders.map(({ key, title, labels }) => {
      const made = view.slider("positions", title, labels, key, { key });
      for (const input of made.querySelectorAll("input")) input.setAttribute("aria-label", `${m.name}, ${input.getAttribute("aria-label")}`);
      return made;
    });
    const paint = (ctx, colours) => drawPanel(ctx, colours, m, { title: called(m), rows: rowsOf(i), ends: ends(), said, exactly });
    const panel = view.picture(`rule rule-${i}`, paint, () => `The rule of ${m.name}.`);
    panel.style.height = `${panelHeight(m.watched.length + 1)}px`;
    return element("div", { class: "lwlr-subject" }, panel, element("div", { class: "lwlr-controls" }, ...sliders));
  });
  const choices = Object.keys(sequences).map((name) => [name, name === "drawn" ? "drawn by hand" : name]);
  return view.open("microscope", sentence,
    element("div", { class: "lwlr-controls" }, view.dropdown("gradients", "gradients", Object.fromEntries(choices)),
      view.slider("step_index", "step", stepValues), view.player("step_index", steps - 1, PLAY_MS), view.reset()),
    gradientStrip, canvas, element("div", { class: "lwlr-body" }, ...subjects),
    view.picture("changes", drawChanges, () => "The change of the parameter at every step.", { drags: true }),
    element("div", { class: "lwlr-hint" }, HINT));
}

export default { render };
