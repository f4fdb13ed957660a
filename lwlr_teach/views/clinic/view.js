// The clinic: a patient's loss and one record of its layers; tests to pay for, causes to name, then the code.
import { colourOf, typed } from "../kit/canvas.js";
import { OWN_KEYS, button, element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";
import { short } from "../kit/text.js";

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  const { steps, layers, records, tests, prices, causes, reruns, verdicts, together } = plan;
  const numbers = typed(Float32Array, model.get("numbers"));
  const quantities = Object.keys(records);
  const rows = 1 + quantities.length * layers.length + reruns.length + 1;
  /** @type {(row: number) => (i: number) => number} */
  const curve = (row) => (i) => numbers[(now.patient * rows + row) * steps.length + i];
  const one = () => plan.patients[now.patient];
  const paid = (test) => now.bought.includes(test);
  const solved = () => now.named.includes(one().illness);
  const wrong = () => now.named.filter((name) => name !== one().illness);
  const bill = () => [...new Set([...now.bought, now.quantity])].reduce((sum, test) => sum + prices[test], 0) + plan.wrong * wrong().length;
  const inOrder = (all, some) => all.filter((name) => some.includes(name));
  const whole = () => now.quantity === together[0];
  const buy = (test) => ({ bought: inOrder(Object.keys(prices), [...now.bought, test]) });

  const sentence = () => [
    `Patient ${now.patient + 1}: the loss ends at ${one().ends.loss ? "no number" : short(curve(0)(steps.length - 1))}, ${records[now.quantity][1]} is shown.`,
    ...[["training loss", "loss"], [records[now.quantity][1], now.quantity]].filter(([, k]) => one().ends[k]).map(([title, k]) => `${title}: ${one().ends[k]}.`),
    ...(whole() ? [one().whole] : []),
    ...Object.keys(tests).filter(paid).map((test) => `${tests[test]}: ${one().outcomes[test]}.`),
    ...wrong().map((name) => verdicts[name].not),
    ...(solved() ? [`Right, ${causes[one().illness]}. ${verdicts[one().illness].shows}`] : []),
    `Bill: ${bill()} minutes.`,
  ].join(" ");

  // --- the two pictures ---
  const x = { title: "step", range: [0, steps.at(-1)] };
  const box = (ctx) => ({ left: 62, top: 24, width: ctx.cssWidth - 76, height: ctx.cssHeight - 62 });
  const place = (i) => steps[i];
  // Words beside a curve, or in the middle of the plot.
  function words(ctx, colours, text, at, y, align) {
    Object.assign(ctx, { font: colours.font, fillStyle: colours.text, strokeStyle: colours.paper, lineWidth: 3, textAlign: align, textBaseline: "bottom" });
    ctx.strokeText(text, at, y);
    ctx.fillText(text, at, y);
  }
  const ends = (ctx, colours, p, key) => words(ctx, colours, one().ends[key], (p.left + p.right) / 2, p.top + 34, "center");
  function drawLoss(ctx, colours) {
    const seen = ["", ...reruns.filter(paid)].map((name) => one().losses[name]); // room for a rerun would tell what it says
    const range = [Math.min(...seen.map(([low]) => low)), Math.max(...seen.map(([, high]) => high))];
    const p = view.plot(ctx, colours, box(ctx), x, { title: "training loss", range, log: true });
    reruns.forEach((name, k) => {
      if (!paid(name)) return;
      const y = curve(1 + quantities.length * layers.length + k);
      p.curve({ name, n: steps.length, x: place, y, colour: colours.text, width: 1.2, alpha: 0.7, dash: [[7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4]][k] });
      let last = steps.length - 1;
      while (last > 0 && Number.isNaN(y(last))) last -= 1;
      const ended = last < steps.length - 1;
      if (!ended) last -= 7 * k; // names do not lie on one another
      const at = ended ? p.top + 52 + 15 * k : Math.max(p.py(p.within(y(last))) - 3, p.top + 14);
      words(ctx, colours, name, p.px(steps[last]) + (ended ? 6 : 0), at, ended ? "left" : "right");
    });
    p.curve({ name: "loss", n: steps.length, x: place, y: curve(0), colour: colours.text, width: 2.5 });
    ends(ctx, colours, p, "loss");
  }
  function drawRecord(ctx, colours) {
    const y = { title: records[now.quantity][1], range: one().ranges[now.quantity], log: true };
    const p = view.plot(ctx, colours, box(ctx), x, y);
    const first = 1 + quantities.indexOf(now.quantity) * layers.length;
    for (const { name, style, i } of view.visible(layers)) {
      const at = curve(first + i);
      p.curve({ name, style, n: steps.length, x: place, y: at, floor: true });
      if (Number.isNaN(at(1))) p.scatter({ name, n: 1, x: place, y: at, colour: colourOf(style, colours), quiet: true }); // no line has one point
      if (steps.every((_, k) => at(k) === 0)) words(ctx, colours, `${name}: exactly 0`, p.left + 6, p.bottom - 4, "left");
    }
    if (whole()) {
      const y = curve(rows - 1);
      p.curve({ name: together[1], n: steps.length, x: place, y, colour: colours.text, width: 2.5 });
      words(ctx, colours, together[1], p.px(steps[1]) + 4, Math.max(p.py(p.within(y(1))) - 5, p.top + 14), "left");
    }
    ends(ctx, colours, p, now.quantity);
  }
  const loss = view.picture("panel main", drawLoss);
  const record = view.picture("panel side-1", drawRecord, () => `${records[now.quantity][1]} against the step. ${sentence()}`);
  const legend = view.legend(layers, "layer", () => "");

  // --- what can be chosen ---
  const priced = (text, price) => (price ? `${text} (${price} min)` : text);
  const quantity = view.choice("quantity", "record", Object.fromEntries(quantities.map((name) => [name, priced(records[name][0], prices[name])])), buy);
  const list = element("div", { class: "lwlr-tests", role: "group", "aria-label": "tests" }, ...Object.keys(tests).map((test) => {
    const made = button(`test-${test.replaceAll(" ", "-")}`, priced(tests[test], prices[test]), "pay for this test, and see what it says", () => view.commit(buy(test)));
    const said = element("div", { class: "lwlr-outcome" });
    view.shows.push(() => {
      made.disabled = paid(test);
      said.textContent = paid(test) ? one().outcomes[test] : "";
    });
    return element("div", {}, made, said);
  }));
  let last = ""; // the name that was given last
  const names = element("div", { class: "lwlr-causes", role: "group", "aria-label": "causes" }, ...Object.keys(causes).map((name, k) => {
    const made = button(`cause-${k}`, causes[name], `a wrong cause costs ${plan.wrong} minutes`, () => {
      last = name;
      view.commit({ named: inOrder(Object.keys(causes), [...now.named, name]) });
      setTimeout(() => verdict.scrollIntoView({ block: "nearest" }), 100); // on a telephone it stands far above
    });
    view.shows.push(() => {
      const said = now.named.includes(name);
      made.disabled = said || solved();
      made.textContent = `${said ? (name === one().illness ? "✔ " : "✘ ") : ""}${causes[name]}`;
    });
    return made;
  }));

  // --- the verdict ---
  const verdict = element("div", { class: "lwlr-reason" });
  const code = element("pre", { class: "lwlr-solution", tabindex: 0, ...OWN_KEYS });
  view.shows.push(() => {
    code.hidden = !solved();
    if (!solved()) return void (verdict.textContent = wrong().length ? `✘ ${verdicts[wrong().includes(last) ? last : wrong().at(-1)].not}` : "");
    const { shows, met, code: text } = verdicts[one().illness];
    verdict.textContent = `✔ Right: ${causes[one().illness]}. ${shows}${met ? ` Met: ${met}.` : ""} Bill: ${bill()} min.`;
    code.textContent = text;
  });
  const bills = () => (solved() ? [...now.bills, bill()] : now.bills);
  const next = button("next", "new patient", "the next of those who are not cured yet", () => {
    const cured = solved() ? [...now.cured, now.patient] : now.cured;
    const round = plan.patients.map((_, i) => (now.patient + 1 + i) % plan.patients.length);
    const waiting = round.find((i) => !cured.includes(i));
    view.commit({ patient: waiting ?? round[0], bought: [], named: [], quantity: quantities[0], cured: waiting === undefined ? [] : cured, bills: bills() });
  });
  const purse = view.words(() => {
    const all = bills();
    const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
    return `Patient ${now.patient + 1}. Bill: ${bill()} min.${all.length ? ` Cured: ${all.length}, at ${short(mean)} min each.` : ""}`;
  });
  const heading = (text) => element("div", { class: "lwlr-legend-title" }, text);
  return view.open("clinic", sentence,
    element("div", { class: "lwlr-controls" }, next, view.reset()), purse,
    element("div", { class: "lwlr-body" }, loss, element("div", { class: "lwlr-side" }, quantity, record, legend)),
    verdict, code,
    element("div", { class: "lwlr-ward" },
      element("div", {}, heading("Tests"), list), element("div", {}, heading("What does it have?"), names)));
}

export default { render };
