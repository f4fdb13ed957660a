// The prediction view: a question, a guess that is locked, and later the guess over the truth.
import { axes, fit, line, marker, painter, polyline, theme } from "../kit/canvas.js";
import { frame } from "../kit/geometry.js";
import { OWN_KEYS, button, element, emptyScreen, live, save, slider, staysInView } from "../kit/controls.js";
import { pad } from "../kit/pad.js";

const [GUESS, TRUTH] = ["#e69f00", "#0072b2"];
const TRUTH_ON_DARK = "#56b4e9";
const THUMB = 8; // half of a slider's: the scale under it begins and ends where the knob can stand

function render({ model, el }) {
  const { kind, question, labels, values, log, x, y, columns, confidences } = model.get("plan");
  const now = {};
  let unsaid = false; // locked here, and the kernel has not answered yet
  const pull = () => {
    if (now.words !== model.get("words")) unsaid = false;
    for (const name of ["guess", "confidence", "locked", "truth", "words"]) now[name] = model.get(name);
  };
  pull();
  const known = () => now.truth.length > 0;
  const open = () => !now.locked && !known();

  const canvas = element("canvas", { class: `lwlr-${kind}`, role: "img" });
  const draw = painter(() => {
    const page = theme();
    const colours = { ...page, truth: page.dark ? TRUTH_ON_DARK : TRUTH };
    canvas.setAttribute("aria-label", now.words);
    const ctx = fit(canvas);
    if (!ctx) return;
    if (kind === "number") drawNumber(ctx, colours);
    if (kind === "curve") drawCurve(ctx, colours);
  });

  function drawNumber(ctx, colours) {
    const range = { range: [values[0], values[values.length - 1]], log };
    const f = frame(THUMB, 24, ctx.cssWidth - 2 * THUMB, 34, range, { range: [0, 1] });
    axes(ctx, f, colours, { yTicks: 0 });
    ctx.font = `600 ${colours.font}`;
    ctx.textAlign = "center";
    const flag = (value, colour, shape, text, below) => {
      const at = Math.min(f.right, Math.max(f.left, f.px(value)));
      Object.assign(ctx, { strokeStyle: colour, lineWidth: 2 });
      line(ctx, at, f.top, at, f.bottom);
      marker(ctx, shape, at, below ? f.bottom - 7 : f.top + 7, 6, colour, colours.paper);
      ctx.fillStyle = colours.text;
      ctx.fillText(text, Math.min(ctx.cssWidth - 45, Math.max(45, at)), below ? f.bottom + 34 : f.top - 9);
    };
    if (known()) flag(now.truth[0], colours.truth, "star", "measured", true);
    if (now.guess.length && (now.locked || open())) flag(values[now.guess[0]], GUESS, "triangle-down", "your guess", false);
  }

  function drawCurve(ctx, colours) {
    const f = curveFrame(ctx.cssWidth, ctx.cssHeight);
    axes(ctx, f, colours, { xTitle: x.title, yTitle: y.title });
    const px = (i) => f.left + (i / (columns - 1)) * f.width;
    const path = (fractions, style) =>
      polyline(ctx, columns, px, (i) => f.bottom - Math.min(1, Math.max(0, fractions[i])) * f.height, style);
    if (known()) path(now.truth, { colour: colours.truth, width: 2.5 });
    if (now.guess.length) path(now.guess, { colour: GUESS, width: 2.5, dash: [8, 4] });
    cursorLine(ctx, f, colours);
    ctx.textAlign = "right";
    ctx.font = `600 ${colours.font}`;
    ctx.fillStyle = colours.text;
    const legend = [now.guess.length && "- - your guess", known() && "— measured"].filter(Boolean).join("    ");
    ctx.fillText(legend || "draw here", f.right, f.top - 7);
  }

  const curveFrame = (width, height) => frame(46, 26, width - 66, height - 66, x, y);
  const cursorLine = kind !== "curve" ? () => {} : pad(canvas, {
    columns,
    frameOf: curveFrame,
    open,
    heights: () => now.guess,
    change: (guess) => {
      now.guess = guess;
      draw();
    },
    release: () => push(),
    redraw: draw,
  });

  const push = () => {
    if (open()) save(model, { guess: now.guess, confidence: now.confidence });
    show();
  };
  const rows = [];
  /** @type {any} */
  let number = null; // the slider of a question that asks for one
  if (kind === "number") {
    number = slider("guess", "my guess", labels, {
      onInput: (at) => {
        now.guess = [at];
        show();
        draw();
      },
      onRelease: push,
    });
    // Who wants the middle, where the knob stands at first, clicks it or presses Enter.
    const input = number.row.querySelector("input");
    const stay = () => {
      if (!open() || now.guess.length) return;
      now.guess = [Number(input.value)];
      push();
      draw();
    };
    input.addEventListener("click", stay);
    input.addEventListener("keydown", ({ key }) => ["Enter", " "].includes(key) && stay());
    number.row.classList.add("lwlr-wide");
    rows.push(number.row);
  }
  const group = `lwlr-prediction-${Math.random().toString(36).slice(2)}`;
  const options = kind === "choice" ? labels.map((text, i) => option(text, i)) : [];
  // A name for each view: the same question may stand on the page twice, before and after its truth is shown.
  function option(text, i) {
    const input = element("input", {
      type: "radio", name: group, "data-option": i, ...OWN_KEYS,
    });
    input.addEventListener("change", () => {
      now.guess = [i];
      push();
    });
    const verdict = element("span", { class: "lwlr-verdict" });
    const row = element("label", { class: "lwlr-option" }, input, element("span", {}, text), verdict);
    return { input, verdict, row };
  }
  const sure = slider("confidence", "how sure?", confidences.map((c) => `${c}%`), {
    onInput: (at) => (now.confidence = confidences[at]),
    onRelease: push,
  });
  const lock = button("lock", "lock my prediction", "fix the guess; it cannot be changed afterwards", () => {
    now.locked = true;
    unsaid = true;
    setTimeout(show, 2000);
    save(model, { guess: now.guess, confidence: now.confidence, locked: true });
    show();
    draw();
    root.focus({ preventScroll: true }); // the button is gone; outside the notebook Shift+Enter would do nothing
  });
  const status = element("span", { class: "lwlr-status", role: "status" });

  // Everything that is not on the canvas.
  function show() {
    if (number) number.show(now.guess.length ? now.guess[0] : Math.floor(labels.length / 2));
    sure.show(Math.max(0, confidences.indexOf(now.confidence)));
    for (const [i, { input, verdict, row }] of options.entries()) {
      input.checked = now.guess[0] === i;
      const right = known() && now.truth[0] === i;
      verdict.textContent = right ? "★ measured" : now.guess[0] === i && now.locked ? "▼ your guess" : "";
      row.classList.toggle("lwlr-right", right);
    }
    for (const input of root.querySelectorAll("input")) input.disabled = !open();
    lock.hidden = !open();
    lock.disabled = !now.guess.length;
    if (number && !now.guess.length) number.row.querySelector(".lwlr-value").value = "–";
    status.textContent = said();
    gap.hidden = !open();
  }

  const FIRST = { number: "move the slider first", choice: "choose an answer first", curve: "draw a curve first" };
  function said() {
    if (open()) return now.guess.length ? "" : FIRST[kind];
    if (unsaid) return "Not stored: the kernel does not answer. Run the cell again, and lock once more.";
    return now.words.replace(question, "").trim();
  }

  const body = kind === "choice" ? element("div", { class: "lwlr-options", role: "radiogroup", "aria-label": question },
    ...options.map((o) => o.row)) : canvas;
  const gap = emptyScreen("The answer is further down. This gap closes once you have locked a guess.");
  const root = element("div", { class: "lwlr-view lwlr-prediction", tabindex: -1 },
    element("div", { class: "lwlr-question" }, question), ...rows, body,
    element("div", { class: "lwlr-controls" }, sure.row, lock, status), gap);
  if (open()) staysInView(root.children[0], status);
  return live(model, el, root, ["guess", "confidence", "locked", "truth", "words"], { pull, show, draw });
}

export default { render };
