// The surface view: paths of several methods on a map, and their loss curves below.
import { axes, colourOf, dots, fit, line, marker, painter, polyline, relief, theme, typed } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { short } from "../kit/text.js";
import { button, element, legend, live, player, save, slider, toggled } from "../kit/controls.js";

const PLAY_MS = 5000; // a whole run, when played

function render({ model, el }) {
  const plan = model.get("plan"); // what is where in the buffers, and the words
  const points = typed(Uint16Array, model.get("paths"));
  const losses = typed(Float32Array, model.get("losses"));
  const events = typed(Int32Array, model.get("diverged"));
  const heights = typed(Uint16Array, model.get("relief"));
  const { methods, steps, map, rates, momenta, limits } = plan;
  const length = steps + 1;

  const start = plan.start;
  const now = {};
  const pull = () => {
    now.lr = model.get("lr_index");
    now.momentum = model.get("momentum_index");
    now.limit = model.get("limit_index");
    now.step = model.get("step");
    now.shown = model.get("shown");
  };
  const push = () =>
    save(model, {
      lr_index: now.lr, momentum_index: now.momentum, limit_index: now.limit, step: now.step, shown: now.shown,
    });

  // Where a method's run at the present position begins, counted in runs.
  const runOf = (m) => {
    const momentum = now.lr * m.momenta + (m.momenta > 1 ? now.momentum : 0);
    return m.first + momentum * m.limits + (m.limits > 1 ? now.limit : 0);
  };
  const divergedAt = (m) => events[runOf(m)];
  const lostBy = (m, step) => divergedAt(m) >= 0 && step >= divergedAt(m);
  const lossAt = (m, step) => losses[runOf(m) * length + step];
  const lastDrawn = (m, step) => (divergedAt(m) >= 0 ? Math.min(step, divergedAt(m)) : step);
  const visible = () => methods.filter((m) => now.shown.includes(m.name));

  const outcome = (m) => (lostBy(m, now.step) ? `diverges at step ${divergedAt(m)}` : short(lossAt(m, now.step)));
  const sentence = () => {
    const memory = momenta.length > 1 ? `, momentum ${momenta[now.momentum]}` : "";
    const limit = limits.length > 1 ? `, limit ${limits[now.limit]}` : "";
    const each = visible().map((m) => (lostBy(m, now.step) ? `${m.name} ${outcome(m)}` : `${m.name} reaches ${outcome(m)}`));
    return `${plan.title}, learning rate ${rates[now.lr]}${memory}${limit}, step ${now.step}: ` +
      (each.join("; ") || "no method is shown") + ".";
  };

  let picture = null; // the relief, drawn for one size and theme

  function drawMap(ctx, colours) {
    const [x, y] = map.bounds.map((range) => ({ range }));
    const f = frame(34, 8, ctx.cssWidth - 44, ctx.cssHeight - 32, x, y);
    const key = [f.width, f.height, ctx.ratio, colours.dark].join();
    if (picture?.key !== key) {
      const [w, h] = [Math.round(f.width * ctx.ratio), Math.round(f.height * ctx.ratio)];
      picture = { key, image: relief(heights, map.columns, map.rows, w, h, colours.dark) };
    }
    ctx.drawImage(picture.image, f.left, f.top, f.width, f.height);
    axes(ctx, f, { ...colours, faint: "transparent" });

    const [[x0, x1], [y0, y1]] = map.window;
    const toX = (q) => f.px(x0 + (q / 65535) * (x1 - x0));
    const toY = (q) => f.py(y0 + (q / 65535) * (y1 - y0));
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top, f.width, f.height);
    ctx.clip();
    for (const [mx, my] of map.minima) marker(ctx, "star", f.px(mx), f.py(my), 7, "#f0e442", "#333333");
    for (const m of visible()) {
      const at = runOf(m) * length * 2;
      const colour = colourOf(m.style, colours);
      const n = lastDrawn(m, now.step) + 1;
      const [px, py] = [(i) => toX(points[at + 2 * i]), (i) => toY(points[at + 2 * i + 1])];
      polyline(ctx, n, px, py, { colour, halo: colours.dark ? "rgba(0,0,0,0.55)" : "rgba(255,255,255,0.75)" });
      dots(ctx, n - 1, px, py, colour);
    }
    marker(ctx, "circle", f.px(map.start[0]), f.py(map.start[1]), 5, colours.paper, colours.text);
    ctx.restore();
    // Heads last, so that no path hides them. One that is off the map waits at its border; a lost one is crossed.
    for (const m of visible()) {
      const at = (runOf(m) * length + lastDrawn(m, now.step)) * 2;
      const hx = Math.min(f.right, Math.max(f.left, toX(points[at])));
      const hy = Math.min(f.bottom, Math.max(f.top, toY(points[at + 1])));
      const colour = colourOf(m.style, colours);
      marker(ctx, m.style.marker, hx, hy, 6.5, colour, colours.paper);
      if (lostBy(m, now.step)) {
        ctx.strokeStyle = colours.paper;
        ctx.lineWidth = 2;
        line(ctx, hx - 3.5, hy - 3.5, hx + 3.5, hy + 3.5);
        line(ctx, hx - 3.5, hy + 3.5, hx + 3.5, hy - 3.5);
      }
    }
  }

  function drawCurves(ctx, colours) {
    const y = { range: map.losses, log: true };
    const f = frame(42, 24, ctx.cssWidth - 56, ctx.cssHeight - 62, { range: [0, steps] }, y);
    axes(ctx, f, colours, { xTitle: "step", yTitle: "loss above the minimum" });
    const [low, high] = map.losses;
    ctx.strokeStyle = colours.text;
    ctx.globalAlpha = 0.5;
    ctx.lineWidth = 1;
    line(ctx, f.px(now.step), f.top, f.px(now.step), f.bottom);
    ctx.globalAlpha = 1;
    // A loss below the axis leaves the picture at the bottom; one above it stays at the top, where it is seen.
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, 0, ctx.cssWidth - f.left, f.bottom + 1);
    ctx.clip();
    for (const m of visible()) {
      const at = runOf(m) * length;
      const colour = colourOf(m.style, colours);
      const py = (i) => f.py(Math.min(high, Math.max(low / 10, losses[at + i])));
      const style = { colour, dash: m.style.dash };
      // What is still to come is drawn faintly.
      polyline(ctx, lastDrawn(m, steps) + 1, f.px, py, { ...style, width: 1.2, alpha: 0.35 });
      const end = lastDrawn(m, now.step);
      polyline(ctx, end + 1, f.px, py, style);
      if (lostBy(m, now.step)) marker(ctx, "triangle-up", f.px(end), f.top + 5, 6, colour, colours.paper);
      else marker(ctx, m.style.marker, f.px(end), py(end), 4.5, colour, colours.paper);
    }
    ctx.restore();
  }

  const mapCanvas = element("canvas", { class: "lwlr-map", role: "img" });
  const curveCanvas = element("canvas", { class: "lwlr-curves", role: "img" });
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    mapCanvas.setAttribute("aria-label", said);
    curveCanvas.setAttribute("aria-label", `Loss curves. ${said}`);
    list.draw(colours, now.shown, (name) => outcome(methods.find((m) => m.name === name)));
    const onMap = fit(mapCanvas);
    const onCurves = fit(curveCanvas);
    if (onMap) drawMap(onMap, colours);
    if (onCurves) drawCurves(onCurves, colours);
  });

  const change = (part) => {
    Object.assign(now, part);
    draw();
  };
  const control = (name, title, labels) =>
    slider(name, title, labels, {
      onInput: (value) => { play.stop(); change({ [name]: value }); },
      onRelease: push,
    });
  const sliders = [["lr", control("lr", "learning rate", rates)]];
  if (momenta.length > 1) sliders.push(["momentum", control("momentum", "momentum β", momenta)]);
  if (limits.length > 1) sliders.push(["limit", control("limit", "limit", limits)]);
  sliders.push(["step", control("step", "step", Array.from({ length }, (_, i) => String(i)))]);
  const showSliders = () => sliders.forEach(([name, s]) => s.show(now[name]));

  // Play: the step slider walks to the end, from the beginning if it is there already.
  const play = player(steps, PLAY_MS, {
    position: () => now.step,
    onStep: (step) => { change({ step }); showSliders(); },
    onStop: push,
  });
  const reset = button("reset", "reset", "put everything back as it was", () => {
    play.stop();
    change({ ...start });
    showSliders();
    push();
  });

  const list = legend(methods, "loss above the minimum", (name, on) => {
    change({ shown: toggled(methods, now.shown, name, on) });
    push();
  });
  const root = element("div", { class: "lwlr-view lwlr-surface" },
    element("div", { class: "lwlr-controls" }, ...sliders.map(([, s]) => s.row), play.button, reset),
    element("div", { class: "lwlr-body" }, mapCanvas, element("div", { class: "lwlr-side" }, list.root, curveCanvas)));
  const end = live(model, el, root, ["lr_index", "momentum_index", "limit_index", "step", "shown"], { pull, show: showSliders, draw });
  return () => {
    play.stop();
    end();
  };
}

export default { render };
