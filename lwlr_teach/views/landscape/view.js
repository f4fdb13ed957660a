// The landscape view: slices of a network's loss as a relief that can be turned, with the shadows of paths on it.
import { colourOf, marker, polyline, typed } from "../kit/canvas.js";
import { button, element } from "../kit/controls.js";
import { dragged } from "../kit/pointer.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";
import { fromAfar, turned } from "./turn.js";

const PLAY_MS = 4000;
const PER_PIXEL = 0.5; // degrees
const LIFT = 0.9; // the height of the relief, where half its width is 1

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { slices, yaws, tilts, methods, steps, points: n } = plan;
  const [heights, paths, losses] = ["heights", "paths", "losses"].map((name) => typed(Float32Array, model.get(name)));
  const names = slices.map((slice) => slice.name);
  const scene = () => names.indexOf(now.slice);
  const height = (i, j) => heights[(scene() * n + i) * n + j];
  const path = (m, step, k) => paths[(((scene() * methods.length + m.i) * steps) + step) * 3 + k];
  const loss = (m, step = now.step) => short(losses[(scene() * methods.length + m.i) * steps + step]);
  const tilt = () => tilts[now.tilt_index];

  const sentence = () => {
    const each = view.visible(methods).map((m) => `${m.name} loss ${loss(m)}`);
    return `${plan.title}, ${now.slice}, turned by ${yaws[now.yaw_index]}°, seen from ${tilt()}° above, step ${now.step}: ` +
      `${each.join("; ") || "no path is shown"}.`;
  };

  function drawRelief(ctx, colours) {
    const [w, h] = [ctx.cssWidth, ctx.cssHeight];
    const yaw = yaws[now.yaw_index];
    const place = turned(yaw, tilt());
    const scale = Math.max(1, Math.min((w - 90) / 2.83, h / 2.9));
    const middle = place(0, 0, LIFT / 2)[1];
    /** @type {(x: number, y: number, z: number) => [number, number]} */
    const at = (x, y, z) => {
      const [right, down] = place(x, y, z * LIFT);
      return [w / 2 + scale * right, h / 2 + scale * (down - middle)];
    };
    const unit = (i) => (2 * i) / (n - 1) - 1;
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, { left: 0, top: 0, width: w, height: h },
      { range: [0, w] }, { range: [0, h] }, { xLabels: false, yTicks: 0 });
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 0.7, globalAlpha: 0.4 });
    ctx.beginPath(); // the floor
    for (const [x, y] of [[-1, -1], [1, -1], [1, 1], [-1, 1]]) ctx.lineTo(...at(x, y, 0));
    ctx.closePath();
    ctx.stroke();
    ctx.globalAlpha = 1;
    const [low, high] = colours.dark ? [[74, 84, 98], [22, 25, 30]] : [[255, 255, 255], [168, 180, 196]];
    ctx.lineWidth = 0.6;
    ctx.lineJoin = "round";
    const [alongX, alongY] = [place(1, 0, 0)[2], place(0, 1, 0)[2]];
    for (const i of fromAfar(n - 1, alongX)) {
      for (const j of fromAfar(n - 1, alongY)) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const z = corners.reduce((sum, [a, b]) => sum + height(a, b), 0) / 4;
        const band = Math.min(15, Math.floor(z * 16)) / 15; // so that equal heights are seen, as on the other maps
        ctx.fillStyle = `rgb(${low.map((from, k) => Math.round(from + (high[k] - from) * band)).join()})`;
        ctx.strokeStyle = tilt() > 80 ? ctx.fillStyle : colours.dark ? "rgba(255,255,255,0.14)" : "rgba(0,0,0,0.16)";
        ctx.beginPath();
        for (const [a, b] of corners) ctx.lineTo(...at(unit(a), unit(b), height(a, b)));
        ctx.closePath();
        ctx.fill();
        ctx.stroke();
      }
    }
    drawEdges(ctx, colours, at, place);
    for (const m of view.visible(methods)) {
      const found = Array.from({ length: now.step + 1 }, (_, s) => at(path(m, s, 0), path(m, s, 1), path(m, s, 2)));
      const colour = colourOf(m.style, colours);
      polyline(ctx, found.length, (s) => found[s][0], (s) => found[s][1],
        { colour, dash: m.style.dash, halo: colours.paper, width: 2.2 });
      p.points({ name: m.name, n: found.length, x: (s) => found[s][0], y: (s) => h - found[s][1],
        text: (s) => `${m.name}, step ${s}: loss ${loss(m, s)}`, goes: (s) => ({ step: s }) });
    }
    for (const m of view.visible(methods)) {
      const [first, last] = [0, now.step].map((s) => at(path(m, s, 0), path(m, s, 1), path(m, s, 2)));
      marker(ctx, "circle", ...first, 4, colours.paper, colours.text);
      marker(ctx, m.style.marker, ...last, 6.5, colourOf(m.style, colours), colours.paper);
    }
    p.table = {
      title: now.slice, head: ["path", "step", "first direction", "second direction", "loss"],
      rows: view.visible(methods).flatMap((m) => Array.from({ length: now.step + 1 }, (_, s) =>
        [m.name, s, ...[0, 1].map((k) => plan.slices[scene()].middle[k] + path(m, s, k) * plan.slices[scene()].half[k]), loss(m, s)])),
    };
  }

  // The names of the directions on the two near edges, and the heights at the left corner.
  /**
   * @param {Context} ctx
   * @param {Colours} colours
   * @param {(x: number, y: number, z: number) => [number, number]} at
   * @param {(x: number, y: number, z: number) => [number, number, number]} place
   */
  function drawEdges(ctx, colours, at, place) {
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "center", textBaseline: "middle" });
    const { share, ticks } = slices[scene()];
    /** @type {(x: number, y: number) => number} */
    const near = (x, y) => (place(x, y, 0)[2] > 0 ? -1 : 1); // the end of an axis that is near
    const [x, y] = [near(1, 0), near(0, 1)];
    const [first, second] = [at(0, 1.12 * y, 0), at(1.12 * x, 0, 0)];
    for (const [title, [left, top]] of Object.entries({ "direction 1": first, "direction 2": second })) {
      const side = (left - ctx.cssWidth / 2) / ctx.cssWidth; // beside the relief a title begins, or ends, at its edge
      ctx.textAlign = Math.abs(side) < 0.12 ? "center" : side > 0 ? "left" : "right";
      ctx.fillText(title, left, top + 8);
    }
    Object.assign(ctx, { textAlign: "left" });
    ctx.fillText(share, 6, 10);
    if (tilt() > 70) return;
    const corners = [[-1, -1], [-1, 1], [1, -1], [1, 1]];
    const [cx, cy] = corners.reduce((left, c) => (at(c[0], c[1], 0)[0] < at(left[0], left[1], 0)[0] ? c : left));
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1, textAlign: "right" });
    ctx.beginPath();
    ctx.moveTo(...at(cx, cy, 0));
    ctx.lineTo(...at(cx, cy, 1));
    ctx.stroke();
    for (const [z, text] of ticks) {
      const [left, top] = at(cx, cy, z);
      ctx.fillText(text, left - 5, top);
    }
  }

  const picture = view.picture("relief", drawRelief, "", { drags: true });
  let held = { left: 0, top: 0, yaw: 0, tilt: 0 };
  dragged(picture, (left, top, begins) => {
    if (begins) held = { left, top, yaw: now.yaw_index, tilt: now.tilt_index };
    const moved = (pixels, each) => Math.round((PER_PIXEL * pixels) / each);
    const yaw = held.yaw + moved(held.left - left, yaws[1] - yaws[0]);
    const steeper = held.tilt + moved(top - held.top, tilts[1] - tilts[0]);
    view.change({
      yaw_index: ((yaw % yaws.length) + yaws.length) % yaws.length,
      tilt_index: Math.min(tilts.length - 1, Math.max(0, steeper)),
    });
  }, () => view.commit());

  const above = button("above", "from above", "look straight down: a map",
    () => view.commit({ yaw_index: 0, tilt_index: tilts.length - 1 }));
  const several = names.length > 1 ? [view.choice("slice", "slice", names)] : [];
  return view.open("landscape", sentence,
    element("div", { class: "lwlr-controls" }, ...several, above, view.reset()),
    element("div", { class: "lwlr-controls" }, view.slider("yaw_index", "turn", yaws), view.slider("tilt_index", "tilt", tilts),
      view.slider("step", "step", Array.from({ length: steps }, (_, s) => s)), view.player("step", steps - 1, PLAY_MS)),
    view.words(),
    element("div", { class: "lwlr-body" }, picture,
      element("div", { class: "lwlr-side" }, view.legend(methods, "loss", (name) => loss({ i: methods.findIndex((m) => m.name === name) })),
        element("div", { class: "lwlr-hint" }, "Drag the picture to turn it. A path is drawn as its shadow on the slice; beside the names stands its own loss."))));
}

export default { render };
