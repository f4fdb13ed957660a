// The race view: a row for each contestant with a dot a seed on an axis of test accuracy, and its accuracy at every
// rate; under the budget a ribbon with the winner at each budget.
import { colourOf, line, marker, polyline, typed } from "../kit/canvas.js";
import { element } from "../kit/controls.js";
import { ROW, rows } from "../kit/rows.js";
import { stage } from "../kit/stage.js";

const FEW = 3; // names in a list before it becomes a count
const KNOB = 16; // a knob's middle stops half its width before the ends of its slider

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const tests = typed(Float32Array, model.get("tests")); // (contestant, rate, checkpoint, seed)
  const medians = typed(Float32Array, model.get("medians")); // (contestant, rate, checkpoint)
  const ranks = typed(Float32Array, model.get("ranks")); // as medians: higher is better
  const valid = typed(Float32Array, model.get("valid")); // means, as medians
  const { methods, checkpoints, seeds, values, rates, best, good, defaults } = plan;
  const [R, K] = [rates.length, checkpoints.length];
  const comparable = plan.same_grid && R > 1; // whether a rate for all can be chosen

  // --- who wins -----------------------------------------------------------------------------------------------

  // Where a contestant is judged: its checkpoint, its rate, and the number of the two together.
  const checkpoint = (i, budget = now.budget_index) => plan.last[now.per][budget][i];
  const rateOf = (i, budget) => (now.shared ? now.lr_index : best[i][checkpoint(i, budget)]);
  const place = (i, budget) => (i * R + rateOf(i, budget)) * K + checkpoint(i, budget);
  const seedsOf = (at) => tests.subarray(at * seeds, (at + 1) * seeds);
  const atDefault = (i) => {
    const j = defaults[i][1];
    return j === null ? null : medians[(i * R + j) * K + checkpoint(i)];
  };
  const atEnd = (i) => plan.at_end[i][checkpoint(i)];
  const budgets = () => plan.budgets[now.per];

  // The first and the second at a budget; whether the first has won; all that it does not beat from every seed; and how
  // far a contestant is behind it, seed by seed.
  function standing(budget) {
    const shown = view.visible(methods);
    const rank = (m) => ranks[place(m.i, budget)];
    const ranked = [...shown].sort((a, b) => rank(b) - rank(a));
    const [first, second] = ranked;
    const top = first && seedsOf(place(first.i, budget));
    const behind = (i) => Array.from(seedsOf(place(i, budget)), (right, s) => top[s] - right);
    const leads = ranked.filter((m) => Math.min(...behind(m.i)) <= 0);
    const winner = shown.length > 1 && leads.length === shown.length ? null : first; // who beats nobody has not won
    return { shown, first, second, winner, leads, behind };
  }
  /** @type {any} */
  let found = null; // how they stand now
  view.follow([], () => (found = standing()));

  // --- the sentence -------------------------------------------------------------------------------------------

  const listed = (names) =>
    names.length > FEW ? "" : [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" and ");
  const points = (difference) => (100 * difference).toFixed(1).replace("-", "−");
  const apart = (differences) =>
    [...new Set([Math.min(...differences), Math.max(...differences)].map(points))].join(" to ");
  function result({ shown, first, second, winner, leads, behind }) {
    if (!first) return "no contestant is shown";
    const others = shown.length - 1;
    const sure = seeds > 1 ? `from all ${seeds} seeds` : "from the only seed";
    const percents = shown.map((m) => Math.round(100 * medians[place(m.i)]));
    if (!winner) {
      const all = `from ${Math.min(...percents)}% to ${Math.max(...percents)}% of the test images right`;
      return `nobody wins: ${all}, and the best, ${first.name}, beats none of the others ${sure}`;
    }
    const percent = Math.round(100 * medians[place(winner.i)]);
    if (!others) return `${winner.name} gets ${percent}% of the test images right`;
    const unbeaten = leads.filter((m) => m !== winner).map((m) => m.name);
    const below = shown.filter((m) => !leads.includes(m)).map((m) => m.name);
    const names = listed(unbeaten);
    let beaten = names ? `all but ${names}` : `${below.length} of the ${others} others`;
    if (below.length < unbeaten.length && listed(below)) beaten = `only ${listed(below)}`;
    if (!unbeaten.length) beaten = "all others";
    const next = `${second.name} comes next, ${apart(behind(second.i))} points behind`;
    return `${winner.name} leads with ${percent}% of the test images right, and it beats ${beaten} ${sure}; ${next}`;
  }
  function ends({ shown }) {
    const names = shown.filter((m) => atEnd(m.i)).map((m) => m.name);
    if (now.shared || !names.length) return "";
    return `; the best rate is at the end of the grid for ${listed(names) || `${names.length} of the ${shown.length}`}`;
  }
  const done = checkpoints[K - 1];
  const stopped = done < plan.planned ? ` The race was stopped after ${done} of ${plan.planned} steps.` : "";
  const how = () => (now.shared ? `all at rate ${rates[now.lr_index]}` : "each at its own best rate");
  const words = () => `${how()}: ${result(found)}${ends(found)}.${stopped}`;
  const sentence = () => `${plan.title}, after ${budgets()[now.budget_index]}, ${words()}`;

  // --- the pictures -------------------------------------------------------------------------------------------

  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const list = rows(view, methods, {
    readout: (i) => percent(medians[place(i)]),
    // Who beats all others has a row in its colour; else the best and those that it does not beat are grey.
    tint: (i, colours) => {
      if (found.winner?.i === i && found.leads.length === 1) return { colour: colourOf(methods[i].style, colours), alpha: 0.25, bold: true };
      return found.leads.some((m) => m.i === i) ? { colour: colours.text, alpha: 0.07 } : null;
    },
  });

  const accuracies = plan.accuracies.filter((right) => 1 - right >= plan.fewest_wrong);
  const wrongAxis = {
    range: [1, plan.fewest_wrong], log: true, at: accuracies.map((right) => 1 - right),
    labels: accuracies.map((right) => `${Number((100 * right).toPrecision(4))}%`),
  };
  function drawResults(ctx, colours) {
    const p = list.plot(ctx, colours, [14, 14], wrongAxis);
    list.caption(ctx, colours, 2, "left", "test accuracy, a dot a seed", "test accuracy");
    const middle = (i) => 1 - medians[place(i)];
    const { winner, first, behind } = found;
    if (winner) {
      const at = Math.max(plan.fewest_wrong, middle(winner.i));
      p.rule(at, { colour: colourOf(winner.style, colours), width: 1.5, dash: [4, 3] });
    }
    methods.forEach((_, i) => {
      const right = seedsOf(place(i));
      const than = (s) => {
        if (!first || first.i === i) return "";
        const d = behind(i)[s];
        return `, ${points(Math.abs(d))} points ${d < 0 ? "ahead of" : "behind"} ${first.name}`;
      };
      list.seeds(ctx, colours, p, i, Array.from(right, (r) => 1 - r), middle(i), (s) => percent(right[s]) + than(s));
    });
    p.table = {
      title: `test accuracy after ${budgets()[now.budget_index]}, ${how()}`,
      head: [
        "contestant", "rate", ...Array.from({ length: seeds }, (_, s) => `seed ${s + 1}`),
        "points behind the best", "default rate", "median there",
      ],
      rows: found.shown.map((m) => [
        m.name, values[m.i][rateOf(m.i)], ...seedsOf(place(m.i)),
        m === first ? "" : apart(behind(m.i)), defaults[m.i][0] ?? "", atDefault(m.i) ?? "",
      ]),
    };
  }

  const [lowest, highest] = [Math.min, Math.max].map((most) => most(...values.flat()));
  const room = lowest < highest ? 1 : Math.sqrt(10); // around a single rate
  const rateAxis = {
    title: "learning rate", range: [lowest / room, highest * room], log: true,
    ...(comparable && { trait: "lr_index", values: values[0], also: { shared: true } }),
  };
  const validAt = (i, j) => valid[(i * R + j) * K + checkpoint(i)];
  function drawRates(ctx, colours) {
    const title = ctx.cssWidth < 120 ? "rate" : rateAxis.title;
    const p = list.plot(ctx, colours, [16, 16], { ...rateAxis, title });
    list.caption(ctx, colours, 2, "left", "accuracy by rate", "by rate");
    if (now.shared) p.rule(values[0][now.lr_index], { width: 1.5 });
    methods.forEach((m, i) => drawRow(ctx, colours, p, m, i));
    p.table = {
      title: `validation accuracy after ${budgets()[now.budget_index]}`,
      head: ["contestant", "learning rate", "accuracy"],
      rows: found.shown.flatMap((m) => values[m.i].map((rate, j) => [m.name, rate, validAt(m.i, j)])),
    };
  }
  function drawRow(ctx, colours, p, m, i) {
    const colour = colourOf(m.style, colours);
    const [top, faded, own] = [list.y0(i), list.faded(i), best[i][checkpoint(i)]];
    const y = (j) => i + 1 - (4 + validAt(i, j) * (ROW - 8)) / ROW;
    const [px, py] = [(j) => p.px(values[i][j]), (j) => p.py(y(j))];
    const half = R > 1 ? (px(R - 1) - px(0)) / (R - 1) / 2 : 6;
    const [low, high] = good[i][checkpoint(i)];
    Object.assign(ctx, { globalAlpha: 0.3 * faded, fillStyle: colour });
    ctx.fillRect(px(low) - half, top + 2, px(high) - px(low) + 2 * half, ROW - 3);
    polyline(ctx, R, px, py, { colour, width: 1.7, alpha: faded });
    ctx.globalAlpha = faded;
    const usual = defaults[i][1];
    if (usual !== null) {
      const [x, middle] = [px(usual), py(usual)];
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 2 });
      line(ctx, x, middle - 8, x, middle + 8);
    }
    if (atEnd(i)) {
      // A better rate may lie outside: an arrow out of the grid.
      const out = own ? 1 : -1;
      ctx.beginPath();
      for (const [dx, dy] of [[3, -6], [10, 0], [3, 6]]) ctx.lineTo(px(own) + out * (half + dx), top + ROW / 2 + dy);
      ctx.closePath();
      ctx.fillStyle = colours.text;
      ctx.fill();
    }
    if (now.shared) marker(ctx, m.style.marker, px(own), py(own), 4, colours.paper, colour);
    marker(ctx, m.style.marker, px(rateOf(i)), py(rateOf(i)), 5, colour, colours.paper);
    ctx.globalAlpha = 1;
    const there = `; its default, with ${percent(atDefault(i) ?? 0)} of the test images right`;
    const reads = (j) =>
      `${m.name}: learning rate ${plan.labels[i][j]}, ${percent(validAt(i, j))}${j === usual ? there : ""}`;
    p.points({ name: m.name, n: R, x: (j) => values[i][j], y, text: reads });
  }

  // The winner at each budget as a band of its colour, pale where others are not beaten from every seed; grey where
  // nobody is.
  function drawRibbon(ctx, colours) {
    const labels = budgets();
    const n = labels.length;
    const all = labels.map((_, j) => standing(j));
    const box = { left: KNOB / 2, top: 0, width: ctx.cssWidth - KNOB, height: ctx.cssHeight };
    const p = view.plot(ctx, { ...colours, faint: "transparent" }, box, { range: [0, n - 1], trait: "budget_index" },
      { range: [0, 1] }, { xLabels: false, yTicks: 0 });
    const edge = (j) => Math.min(ctx.cssWidth, Math.max(0, Math.round(p.px(j - 0.5))));
    for (let from = 0, j = 0; j < n; j++) {
      const { winner, leads, first } = all[j];
      if (!first) continue;
      ctx.fillStyle = winner ? colourOf(winner.style, colours) : colours.text;
      ctx.globalAlpha = !winner ? 0.15 : leads.length > 1 ? 0.45 : 1;
      ctx.fillRect(edge(j), 0, edge(j + 1) - edge(j), 9);
      ctx.globalAlpha = 1;
      if (j + 1 < n && all[j + 1].winner?.i === winner?.i) continue;
      if (j + 1 < n) ctx.clearRect(edge(j + 1) - 1, 0, 1, 9);
      const middle = (edge(from) + edge(j + 1)) / 2;
      if (winner) marker(ctx, winner.style.marker, middle, 15, 4, colourOf(winner.style, colours), colours.paper);
      from = j + 1;
    }
    const says = ({ first, winner, leads }) =>
      !first ? "nobody is shown" : !winner ? "nobody wins" : `${winner.name} leads${leads.length > 1 ? ", not beating all" : ""}`;
    p.points({ n, x: (j) => j, y: () => 0.7, text: (j) => `${labels[j]}: ${says(all[j])}` });
  }

  // --- the controls -------------------------------------------------------------------------------------------

  const budget = view.slider("budget_index", "budget", budgets);
  const input = budget.querySelector("input");
  const track = element("span", { class: "lwlr-track" });
  input.replaceWith(track);
  track.append(input, view.picture("ribbon", drawRibbon, null));
  // Stay where the fastest contestant has taken as many steps: equal work has no budgets for the first of them.
  const units = view.choice("per", "budget", { steps: "equal steps", operations: "equal work" }, (per) => {
    const other = per === "steps" ? "operations" : "steps";
    return { budget_index: Math.max(0, now.budget_index + plan.budgets[per].length - plan.budgets[other].length) };
  });
  units.hidden = !plan.budgets.operations;
  const together = view.check("shared", "the same rate for all");
  const rate = view.slider("lr_index", "rate for all", rates, "lr", { also: { shared: true } });
  for (const part of [together, rate]) part.hidden = !comparable;
  view.shows.push(() => {
    budget.hidden = budgets().length < 2;
    rate.classList.toggle("lwlr-off", !now.shared);
  });

  return list.open("race", sentence,
    [
      element("div", { class: "lwlr-controls" }, budget, units, view.reset()),
      element("div", { class: "lwlr-controls" }, together, rate),
      view.words(() => words()[0].toUpperCase() + words().slice(1)),
    ],
    [
      list.picture("results", drawResults),
      list.picture("byrate", drawRates, "Accuracy at every rate. ", { drags: comparable }),
    ],
    element("span", {}, "Coloured row: beats all others from every seed. Grey rows: the best, and who is not beaten by it. ",
      element("span", { class: "lwlr-of-byrate" }, "Shaded rates: nearly as good as the best." +
        (defaults.some(([, j]) => j !== null) ? " Tick: the method's default rate." : "") +
        (R > 1 ? " Arrow: the best rate is at the end of the grid." : ""))));
}

export default { render };
