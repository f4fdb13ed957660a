// The race view: a row for each contestant with a dot a seed on an axis of test accuracy, and its accuracy at every
// rate; under the budget a ribbon with the winner at each budget.
import { colourOf, fit, line, marker, painter, polyline, theme, typed } from "../kit/canvas.js";
import { frame, ticks } from "../kit/geometry.js";
import { tickLabel } from "../kit/text.js";
import { button, choice, element, legend, live, save, slider, toggled } from "../kit/controls.js";

const FEW = 3; // names in a list before it becomes a count
const [TOP, ROW, BOTTOM] = [24, 38, 38]; // view.css has the first two for the names
const KNOB = 16; // a knob's middle stops half its width before the ends of its slider

function render({ model, el }) {
  const plan = model.get("plan");
  const tests = typed(Float32Array, model.get("tests")); // (contestant, rate, checkpoint, seed)
  const medians = typed(Float32Array, model.get("medians")); // (contestant, rate, checkpoint)
  const ranks = typed(Float32Array, model.get("ranks")); // as medians: higher is better
  const valid = typed(Float32Array, model.get("valid")); // as medians
  const { methods, checkpoints, seeds, values, rates, best, good } = plan;
  const [R, K] = [rates.length, checkpoints.length];

  const now = {};
  const pull = () => Object.assign(now, {
    budget: model.get("budget_index"), per: model.get("per"), shared: model.get("shared"), lr: model.get("lr_index"),
    shown: model.get("shown"),
  });
  const push = () => save(model, {
    budget_index: now.budget, per: now.per, shared: now.shared, lr_index: now.lr, shown: now.shown,
  });

  // Where a contestant is judged: its checkpoint, its rate, and the number of the two together.
  const checkpoint = (i, budget = now.budget) => plan.last[now.per][budget][i];
  const rateOf = (i, budget = now.budget) => (now.shared ? now.lr : best[i][checkpoint(i, budget)]);
  const place = (i, budget) => (i * R + rateOf(i, budget)) * K + checkpoint(i, budget);
  const seedsOf = (at) => tests.subarray(at * seeds, (at + 1) * seeds);
  const visible = () => methods.map((m, i) => ({ ...m, i })).filter((m) => now.shown.includes(m.name));
  const atEnd = (i) => [0, R - 1].includes(best[i][checkpoint(i)]);

  // The first at a budget; whether it has won; and all that it does not beat from every seed.
  function standing(budget = now.budget) {
    const rows = visible();
    let first;
    for (const m of rows) if (!first || ranks[place(m.i, budget)] > ranks[place(first.i, budget)]) first = m;
    const top = first && seedsOf(place(first.i, budget));
    const leads = rows.filter((m) => seedsOf(place(m.i, budget)).some((right, s) => top[s] <= right));
    const winner = rows.length > 1 && leads.length === rows.length ? null : first; // who beats nobody has not won
    return { rows, first, winner, leads };
  }

  const listed = (names) => {
    if (names.length > FEW) return "";
    return [names.slice(0, -1).join(", "), names[names.length - 1]].filter(Boolean).join(" and ");
  };
  function result({ rows, first, winner, leads }) {
    if (!first) return "no contestant is shown";
    const others = rows.length - 1;
    const sure = seeds > 1 ? `from all ${seeds} seeds` : "from the only seed";
    const percents = rows.map((m) => Math.round(100 * medians[place(m.i)]));
    if (!winner) {
      const all = `from ${Math.min(...percents)}% to ${Math.max(...percents)}% of the test images right`;
      return `nobody wins: ${all}, and the first beats none of the others ${sure}`;
    }
    const percent = Math.round(100 * medians[place(winner.i)]);
    if (!others) return `${winner.name} gets ${percent}% of the test images right`;
    const ranked = [...leads].sort((a, b) => ranks[place(b.i)] - ranks[place(a.i)]);
    const unbeaten = ranked.filter((m) => m !== winner).map((m) => m.name);
    const names = listed(unbeaten);
    let beaten = names ? `all but ${names}` : `${others - unbeaten.length} of the ${others} others`;
    if (!unbeaten.length) beaten = "all others";
    return `${winner.name} leads with ${percent}% of the test images right, and it beats ${beaten} ${sure}`;
  }
  function ends({ rows }) {
    const names = rows.filter((m) => atEnd(m.i)).map((m) => m.name);
    if (now.shared || !names.length) return "";
    return `; the best rate is at the end of the grid for ${listed(names) || `${names.length} of the ${rows.length}`}`;
  }
  const budgetLabel = () => plan.budgets[now.per][now.budget];
  const how = () => (now.shared ? `all at rate ${rates[now.lr]}` : "each at its own best rate");
  const done = checkpoints[K - 1];
  const stopped = done < plan.planned ? ` The race was stopped after ${done} of ${plan.planned} steps.` : "";
  const words = (found) => `${how()}: ${result(found)}${ends(found)}.${stopped}`;

  const y0 = (i) => TOP + i * ROW;
  const bottom = y0(methods.length);
  // Rows tinted: the winner's in its colour, those that it does not beat in grey.
  function tint(ctx, f, { winner, leads }, colours) {
    for (const m of leads) {
      ctx.fillStyle = m === winner ? colourOf(m.style, colours) : colours.text;
      ctx.globalAlpha = m === winner ? 0.25 : 0.07;
      ctx.fillRect(0, y0(m.i), ctx.cssWidth, ROW);
    }
    ctx.globalAlpha = 1;
    Object.assign(ctx, { strokeStyle: colours.faint, lineWidth: 1 });
    for (let i = 0; i <= methods.length; i++) line(ctx, 0, y0(i) + 0.5, ctx.cssWidth, y0(i) + 0.5);
  }
  function caption(ctx, colours, text, left) {
    Object.assign(ctx, { font: `600 ${colours.font}`, fillStyle: colours.text, textAlign: "left", textBaseline: "alphabetic" });
    ctx.fillText(text, left, 15);
    ctx.font = colours.font;
  }
  const faded = (m) => (now.shown.includes(m.name) ? 1 : 0.15);

  function drawResults(ctx, colours, found) {
    const wrong = (right) => Math.max(plan.fewest_wrong, 1 - right);
    const f = frame(14, TOP, ctx.cssWidth - 28, bottom - TOP, { range: [1, plan.fewest_wrong], log: true }, { range: [0, 1] });
    tint(ctx, f, found, colours);
    caption(ctx, colours, ctx.cssWidth > 220 ? "test accuracy, a dot a seed" : "test accuracy", 2);
    Object.assign(ctx, { strokeStyle: colours.faint, textAlign: "center", textBaseline: "top", fillStyle: colours.text });
    let free = -Infinity; // where the last label ended
    for (const right of plan.accuracies.filter((a) => 1 - a >= plan.fewest_wrong)) {
      const x = f.px(1 - right);
      line(ctx, Math.round(x) + 0.5, TOP, Math.round(x) + 0.5, bottom);
      const text = `${Number((100 * right).toPrecision(4))}%`;
      const half = ctx.measureText(text).width / 2;
      if (x - half < free + 4) continue;
      ctx.fillText(text, x, bottom + 5);
      free = x + half;
    }
    if (found.winner) {
      const x = f.px(wrong(medians[place(found.winner.i)]));
      Object.assign(ctx, { strokeStyle: colourOf(found.winner.style, colours), lineWidth: 1.5 });
      ctx.setLineDash([4, 3]);
      line(ctx, x, TOP, x, bottom);
      ctx.setLineDash([]);
    }
    methods.forEach((m, i) => {
      const colour = colourOf(m.style, colours);
      const middle = y0(i) + ROW / 2;
      const x = f.px(wrong(medians[place(i)]));
      // A seed has the same height in every row.
      const spread = (s) => middle + ((s + 0.5) / seeds - 0.5) * (ROW - 12);
      seedsOf(place(i)).forEach((right, s) => {
        ctx.globalAlpha = 0.75 * faded(m);
        ctx.beginPath();
        ctx.arc(f.px(wrong(right)), spread(s), 2.6, 0, 2 * Math.PI);
        ctx.fillStyle = colour;
        ctx.fill();
      });
      ctx.globalAlpha = faded(m);
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1.5 });
      line(ctx, x, middle - ROW / 2 + 3, x, middle + ROW / 2 - 3);
      marker(ctx, m.style.marker, x, middle, 5.5, colour, colours.paper);
      ctx.globalAlpha = 1;
    });
  }

  const rateFrame = (width) => {
    const all = values.flat();
    const x = { range: [Math.min(...all), Math.max(...all)], log: true };
    return frame(16, TOP, width - 32, bottom - TOP, x, { range: [0, 1] });
  };
  function drawRates(ctx, colours, found) {
    const f = rateFrame(ctx.cssWidth);
    tint(ctx, f, found, colours);
    caption(ctx, colours, ctx.cssWidth > 130 ? "accuracy by rate" : "by rate", 2);
    Object.assign(ctx, { strokeStyle: colours.faint, textAlign: "center", textBaseline: "top", fillStyle: colours.text });
    for (const value of ticks(f.x, Math.max(2, Math.floor(f.width / 45)))) {
      const x = Math.round(f.px(value)) + 0.5;
      line(ctx, x, TOP, x, bottom);
      ctx.fillText(tickLabel(value, f.x), x, bottom + 5);
    }
    ctx.textAlign = "right";
    ctx.fillText("learning rate", f.right, bottom + 21);
    if (now.shared) {
      const x = f.px(values[0][now.lr]);
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1.5 });
      line(ctx, x, TOP, x, bottom);
    }
    methods.forEach((m, i) => {
      const k = checkpoint(i);
      const colour = colourOf(m.style, colours);
      const py = (j) => y0(i) + ROW - 4 - valid[(i * R + j) * K + k] * (ROW - 8);
      const px = (j) => f.px(values[i][j]);
      const half = R > 1 ? (px(R - 1) - px(0)) / (R - 1) / 2 : 6;
      const [low, high] = good[i][k];
      ctx.globalAlpha = 0.3 * faded(m);
      ctx.fillStyle = colour;
      ctx.fillRect(px(low) - half, y0(i) + 2, px(high) - px(low) + 2 * half, ROW - 3);
      ctx.globalAlpha = faded(m);
      polyline(ctx, R, px, py, { colour, width: 1.7, alpha: faded(m) });
      ctx.globalAlpha = faded(m);
      const own = best[i][k];
      if (atEnd(i)) {
        // A better rate may lie outside: an arrow out of the grid.
        const [x, out] = own ? [px(own) + half + 3, 1] : [px(own) - half - 3, -1];
        ctx.beginPath();
        for (const [dx, dy] of [[0, -6], [7 * out, 0], [0, 6]]) ctx.lineTo(x + dx, y0(i) + ROW / 2 + dy);
        ctx.closePath();
        ctx.fillStyle = colours.text;
        ctx.fill();
      }
      if (now.shared) marker(ctx, m.style.marker, px(own), py(own), 4, colours.paper, colour);
      marker(ctx, m.style.marker, px(rateOf(i)), py(rateOf(i)), 5, colour, colours.paper);
      ctx.globalAlpha = 1;
    });
  }

  // The winner at each budget as a band of its colour, pale where others are not beaten from every seed; grey where
  // nobody is.
  function drawRibbon(ctx, colours) {
    const n = plan.budgets[now.per].length;
    const px = (j) => KNOB / 2 + (j / Math.max(n - 1, 1)) * (ctx.cssWidth - KNOB);
    const found = Array.from({ length: n }, (_, j) => standing(j));
    for (let from = 0, j = 0; j < n; j++) {
      const { winner, leads, first } = found[j];
      if (!first) continue;
      const [left, right] = [Math.max(0, Math.round(px(j - 0.5))), Math.min(ctx.cssWidth, Math.round(px(j + 0.5)))];
      ctx.fillStyle = winner ? colourOf(winner.style, colours) : colours.text;
      ctx.globalAlpha = !winner ? 0.15 : leads.length > 1 ? 0.45 : 1;
      ctx.fillRect(left, 0, right - left, 9);
      ctx.globalAlpha = 1;
      if (j + 1 < n && found[j + 1].winner?.i === winner?.i) continue;
      const middle = (Math.max(0, px(from - 0.5)) + right) / 2;
      if (j + 1 < n) ctx.clearRect(right - 1, 0, 1, 9);
      if (winner) marker(ctx, winner.style.marker, middle, 15, 4, colourOf(winner.style, colours), colours.paper);
      from = j + 1;
    }
  }

  const results = element("canvas", { class: "lwlr-results", role: "img" });
  const byRate = element("canvas", { class: "lwlr-byrate", role: "img" });
  for (const canvas of [results, byRate]) canvas.style.height = `${bottom + BOTTOM}px`;
  const said = element("div", { class: "lwlr-words", "aria-hidden": "true" });
  const draw = painter(() => {
    const colours = theme();
    const found = standing();
    const text = words(found);
    said.textContent = text[0].toUpperCase() + text.slice(1);
    const sentence = `${plan.title}, after ${budgetLabel()}, ${text}`;
    results.setAttribute("aria-label", sentence);
    byRate.setAttribute("aria-label", `Accuracy at every rate. ${sentence}`);
    list.draw(colours, now.shown, (name) => {
      const m = methods.findIndex((other) => other.name === name);
      return `${(100 * medians[place(m)]).toFixed(1)}%`;
    });
    methods.forEach((m, i) => {
      const leads = found.leads.some((other) => other.i === i);
      const wins = found.winner?.i === i;
      const colour = wins ? colourOf(m.style, colours) : colours.text;
      const style = names[i].style;
      style.background = leads ? `color-mix(in srgb, ${colour} ${wins ? 25 : 7}%, transparent)` : "";
      style.fontWeight = wins ? "700" : "";
      style.borderTopColor = colours.faint;
    });
    const pictures = [[results, drawResults], [byRate, drawRates], [budgets[now.per].ribbon, drawRibbon]];
    for (const [canvas, paint] of pictures) {
      const ctx = fit(canvas);
      if (ctx) paint(ctx, colours, found);
    }
  });
  const change = (part) => {
    Object.assign(now, part);
    draw();
  };

  // A slider for each unit of the budget, of which one is there, with the ribbon under its track.
  const budgets = Object.fromEntries(Object.entries(plan.budgets).map(([per, labels]) => {
    const made = slider(per, "budget", labels, { onInput: (budget) => change({ budget }), onRelease: push });
    const ribbon = element("canvas", { class: "lwlr-ribbon", "aria-hidden": "true" });
    const track = element("span", { class: "lwlr-track" });
    const input = made.row.querySelector("input");
    input.replaceWith(track);
    track.append(input, ribbon);
    return [per, { ...made, ribbon, positions: labels.length }];
  }));
  const units = choice("per", "budget", { steps: "equal steps", seconds: "equal time" }, (per) => {
    // Stay where the fastest contestant has taken as many steps: equal time has no budgets for the first of them.
    const shift = budgets[per].positions - budgets[now.per].positions;
    change({ per, budget: Math.max(0, now.budget + shift) });
    show();
    push();
  });
  units.row.hidden = !plan.budgets.seconds;
  const box = element("input", { type: "checkbox", "data-name": "shared", "data-lm-suppress-shortcuts": "true" });
  box.addEventListener("change", () => {
    change({ shared: box.checked });
    push();
  });
  const together = element("label", { class: "lwlr-option" }, box, element("span", {}, "the same rate for all"));
  const rate = slider("lr", "rate for all", rates, {
    onInput: (lr) => {
      change({ lr, shared: true });
      show();
    },
    onRelease: push,
  });
  for (const part of [together, rate.row]) part.hidden = !plan.same_grid || R < 2;
  const reset = button("reset", "reset", "put everything back as it was", () => {
    const { budget_index: budget, per, shared, lr_index: lr, shown } = plan.start;
    change({ budget, per, shared, lr, shown });
    show();
    push();
  });
  // The pictures of the rates answer to the pointer as well.
  const at = (event) => {
    const bounds = byRate.getBoundingClientRect();
    const f = rateFrame(bounds.width);
    const away = values[0].map((v) => Math.abs(f.px(v) - (event.clientX - bounds.left)));
    change({ lr: away.indexOf(Math.min(...away)), shared: true });
    show();
  };
  if (plan.same_grid && R > 1) {
    byRate.classList.add("lwlr-pick");
    byRate.addEventListener("pointerdown", (event) => {
      byRate.setPointerCapture(event.pointerId);
      at(event);
    });
    byRate.addEventListener("pointermove", (event) => {
      if (byRate.hasPointerCapture(event.pointerId)) at(event);
    });
    byRate.addEventListener("pointerup", push);
  }
  const list = legend(methods, "", (name, on) => {
    change({ shown: toggled(methods, now.shown, name, on) });
    push();
  });
  const names = [...list.root.querySelectorAll(".lwlr-method")];
  const show = () => {
    for (const [per, made] of Object.entries(budgets)) made.row.hidden = per !== now.per || made.positions < 2;
    budgets[now.per].show(now.budget);
    units.show(now.per);
    box.checked = now.shared;
    rate.show(now.lr);
    rate.row.classList.toggle("lwlr-off", !now.shared);
  };
  const root = element("div", { class: "lwlr-view lwlr-race" },
    element("div", { class: "lwlr-controls" }, ...Object.values(budgets).map((made) => made.row), units.row, reset),
    element("div", { class: "lwlr-controls" }, together, rate.row),
    said,
    element("div", { class: "lwlr-body" }, list.root, results, byRate),
    element("div", { class: "lwlr-note" },
      "Coloured row: the winner. Grey rows: not beaten by it from every seed. Shaded rates: nearly as good as the best. " +
      "Arrow: the best rate is at the end of the grid."));
  return live(model, el, root, ["budget_index", "per", "shared", "lr_index", "shown"], { pull, show, draw });
}

export default { render };
