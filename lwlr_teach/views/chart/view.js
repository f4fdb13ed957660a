// A chart as Python declares it (declare.py, plan.py): panels of lines, bands and markers over the present state.
import { colourOf, marker, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { percent } from "../kit/text.js";

const NARROWEST = 130; // pixels of a panel with its axis, of several side by side

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const numbers = typed(Float32Array, model.get("numbers"));
  const visible = () => view.visible(plan.methods);

  // --- what the state chooses: a state says where the named axes stand, for a slider by its position ---
  const at = (m, other = {}) => ({ ...now, method: m?.i ?? 0, ...other });
  const place = (axis, state) => (typeof state[axis] === "number" ? state[axis] : plan.entries[axis].indexOf(state[axis]));
  const entry = ({ over, sizes }, state) => over.reduce((found, axis, k) => found * sizes[k] + place(axis, state), 0);
  const fill = (text, state = at(null)) =>
    text.replace(/\{(\w+)\}/g, (_, word) => plan.words[word].texts[entry(plan.words[word], state)]);
  /** @type {(table: any, state: any) => At<number>} */
  const points = (table, state) => {
    const first = table.from + entry(table, state) * table.points;
    return (k) => numbers[first + k];
  };
  const sentence = () =>
    `${fill(plan.says)}: ${visible().map((m) => fill(plan.each, at(m))).join("; ") || plan.none}.`;

  // --- the marks of a panel ---
  const draws = {
    band(p, colours, mark, m) {
      const [x, low, high] = [mark.x, mark.low, mark.high].map((table) => points(table, at(m)));
      p.band({ n: mark.x.points, x, low, high, colour: m ? colourOf(m.style, colours) : colours.text });
    },
    line(p, colours, mark, m, ctx) {
      const curve = (state, looks) =>
        p.curve({ n: mark.y.points, x: points(mark.x, state), y: points(mark.y, state), text: p.y.percent ? percent : undefined, ...looks });
      if (!mark.beside) return curve(at(m), m ?? {});
      for (const name of plan.entries[mark.beside]) {
        const [on, state] = [name === now[mark.beside], at(m, { [mark.beside]: name })];
        curve(state, { name, colour: colours.text, width: on ? 3 : 1.5, alpha: on ? 1 : 0.35 });
        if (on) continue;
        const last = mark.y.points - 1;
        Object.assign(ctx, { fillStyle: colours.text, textAlign: "right", textBaseline: "top", globalAlpha: 0.7 });
        ctx.fillText(name, p.px(points(mark.x, state)(last)) + 10, p.py(points(mark.y, state)(last)) + 8);
        ctx.globalAlpha = 1;
      }
    },
    marker(p, colours, mark, m, ctx) {
      const [x, y] = [points(mark.x, at(m))(0), points(mark.y, at(m))(0)];
      p.mark(m.style, x, y, 6);
      if (!mark.text) return;
      Object.assign(ctx, { fillStyle: colours.text, strokeStyle: colours.paper, lineWidth: 4, lineJoin: "round" });
      Object.assign(ctx, { textAlign: "center", textBaseline: "alphabetic" });
      const words = [fill(mark.text, at(m)), p.px(x), p.py(p.within(y)) - 12];
      ctx.strokeText(...words); // a halo: a line may run through it
      ctx.fillText(...words);
    },
    foot(p, colours, mark, m, ctx) {
      const x = points(mark.x, at(m))(0);
      if (!Number.isNaN(x)) marker(ctx, "triangle-up", p.px(x), p.bottom + 3, 4.5, colourOf(m.style, colours), colours.paper);
    },
  };
  function join(p, colours, mark, methods) {
    const [x, y] = [mark.x, mark.y].map((table) => (k) => points(table, at(methods[k]))(0));
    p.curve({ n: methods.length, x, y, colour: colours.text, width: 3, alpha: 0.5, quiet: true });
  }

  const titled = (axis) => ({ ...axis, title: fill(axis.title) });
  function drawPanel(ctx, colours, panel, box, methods, options = {}) {
    const p = view.plot(ctx, colours, box, titled(panel.x), titled(panel.y), options);
    const draw = (mark) => (mark.each ? methods : [null]).forEach((m) => draws[mark.kind](p, colours, mark, m, ctx));
    const isPoint = (mark) => mark.kind === "marker" || mark.kind === "foot";
    panel.marks.filter((mark) => !isPoint(mark)).forEach(draw);
    if (panel.x.trait) p.rule(panel.x.values[now[panel.x.trait]]);
    panel.marks.filter((mark) => mark.joined).forEach((mark) => join(p, colours, mark, methods));
    panel.marks.filter(isPoint).forEach(draw);
  }

  // A row of panels for each visible method; the titles of the panels stand above the first. Where they would be too
  // narrow, a method has several rows, and each panel its own title.
  function drawStrips(ctx, colours, { title, panels }) {
    const strips = visible().map((m) => ({ ...m, style: { ...m.style, dash: [] } }));
    const [gap, left, top, bottom] = [24, 40, 40, 38];
    const columns = Math.min(panels.length, Math.max(1, Math.floor(ctx.cssWidth / NARROWEST)));
    const each = Math.ceil(panels.length / columns);
    const height = (ctx.cssHeight - top - bottom + gap) / Math.max(strips.length * each, 1) - gap;
    const width = (ctx.cssWidth - columns * (left + 10)) / columns;
    panels.forEach((panel, i) => {
      const from = left + (i % columns) * (width + left + 10);
      Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
      if (each === 1) ctx.fillText(fill(panel.y.title), from, 14, ctx.cssWidth - from);
      strips.forEach((m, strip) => {
        const last = strip === strips.length - 1 && i + columns >= panels.length;
        const own = each > 1 ? [fill(title, at(m)), fill(panel.y.title)].join(", ") : i ? "" : fill(title, at(m));
        const row = strip * each + Math.floor(i / columns);
        drawPanel(ctx, colours, panel, { left: from, top: top + row * (height + gap), width, height }, [m], {
          xLabels: last,
          xTitle: last ? fill(panel.x.title) : "",
          yTitle: own,
          yTicks: height > 70 ? 4 : 2,
        });
      });
    });
  }

  const pictures = [plan.main, ...plan.side].map((picture, i) => {
    const { title, panels: [panel] } = picture;
    const box = (ctx) => ({ left: 42, top: 24, width: ctx.cssWidth - 56, height: ctx.cssHeight - 62 });
    const paint = (ctx, colours) =>
      title === null ? drawPanel(ctx, colours, panel, box(ctx), visible()) : drawStrips(ctx, colours, picture);
    const about = () => `${fill(panel.y.title)} against ${fill(panel.x.title)}. ${sentence()}`;
    return view.picture(i ? `panel side-${i}` : title === null ? "panel main" : "strips main", paint, i ? about : "");
  });

  const axes = [plan.main, ...plan.side].flatMap(({ panels }) => panels).flatMap(({ x, y }) => [x, y]);
  const control = ([trait, values]) => {
    if (typeof now[trait] === "string") return values.length > 1 ? [view.choice(trait, trait, values)] : [];
    if (typeof now[trait] !== "number") return [];
    const word = trait.replace(/_index$/, "");
    const title = fill(axes.find((axis) => axis.trait === trait)?.title ?? word);
    return [view.slider(trait, title, plan.words[word].texts)];
  };
  const [heading, beside] = plan.readout;
  const list = view.legend(plan.methods, heading, (name) => fill(beside, at(visible().find((m) => m.name === name))));
  // Many panels side by side get the whole width.
  return view.open(plan.main.panels.length > 2 ? "chart below" : "chart", sentence,
    element("div", { class: "lwlr-controls" }, ...Object.entries(plan.entries).flatMap(control), view.reset()),
    element("div", { class: "lwlr-body" }, pictures[0], element("div", { class: "lwlr-side" }, list, ...pictures.slice(1))));
}

export default { render };
