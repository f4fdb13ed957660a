// The prediction view: a question, a guess that is locked, and later the guess over the truth.
import { axes, fit, frame, line, marker, onAppearanceChange, painter, polyline, theme } from "./canvas.js";
import { button, element, listen, save, slider } from "./controls.js";

const [GUESS, TRUTH] = ["#e69f00", "#0072b2"];
const TRUTH_ON_DARK = "#56b4e9";

function render({ model, el }) {
  const { kind, question, labels, values, log, x, y, confidences } = model.get("plan");
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
    const colours = { ...theme() };
    colours.truth = colours.dark ? TRUTH_ON_DARK : TRUTH;
    canvas.setAttribute("aria-label", now.words);
    const ctx = fit(canvas);
    if (!ctx) return;
    if (kind === "number") drawNumber(ctx, colours);
    if (kind === "curve") drawCurve(ctx, colours);
  });

  function drawNumber(ctx, colours) {
    const range = { range: [values[0], values[values.length - 1]], log };
    const f = frame(30, 24, ctx.cssWidth - 60, 34, range, { range: [0, 1] });
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
    const n = model.get("plan").columns;
    const px = (i) => f.left + (i / (n - 1)) * f.width;
    const path = (fractions, style) =>
      polyline(ctx, n, px, (i) => f.bottom - Math.min(1, Math.max(0, fractions[i])) * f.height, style);
    if (known()) path(now.truth, { colour: colours.truth, width: 2.5 });
    if (now.guess.length) path(now.guess, { colour: GUESS, width: 2.5, dash: [8, 4] });
    if (open() && document.activeElement === canvas) {
      Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
      line(ctx, px(cursor), f.top, px(cursor), f.bottom);
    }
    ctx.textAlign = "right";
    ctx.font = `600 ${colours.font}`;
    ctx.fillStyle = colours.text;
    const legend = [now.guess.length && "- - your guess", known() && "— measured"].filter(Boolean).join("    ");
    ctx.fillText(legend || "draw here", f.right, f.top - 7);
  }

  const curveFrame = (width, height) => frame(46, 26, width - 66, height - 66, x, y);
  let cursor = 0;
  function drawAt(event) {
    const box = canvas.getBoundingClientRect();
    const f = curveFrame(box.width, box.height);
    const n = model.get("plan").columns;
    const clamp = (v) => Math.min(1, Math.max(0, v));
    const column = Math.round(clamp((event.clientX - box.left - f.left) / f.width) * (n - 1));
    const value = clamp((f.bottom - (event.clientY - box.top)) / f.height);
    setColumns(column, value);
  }
  // From where the pen was to where it is; what was not drawn yet takes the first value.
  function setColumns(column, value) {
    const n = model.get("plan").columns;
    const curve = now.guess.length ? [...now.guess] : Array(n).fill(value);
    const from = now.guess.length ? cursor : column;
    const start = curve[from];
    const steps = Math.max(1, Math.abs(column - from));
    for (let k = 1; k <= steps; k++) {
      curve[from + Math.round(((column - from) * k) / steps)] = start + ((value - start) * k) / steps;
    }
    cursor = column;
    now.guess = curve;
    draw();
  }
  if (kind === "curve") {
    canvas.tabIndex = 0;
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    let drawing = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (!open()) return;
      drawing = true;
      canvas.setPointerCapture(event.pointerId);
      const box = canvas.getBoundingClientRect();
      const f = curveFrame(box.width, box.height);
      const share = (event.clientX - box.left - f.left) / f.width;
      cursor = Math.round(Math.min(1, Math.max(0, share)) * (model.get("plan").columns - 1));
      drawAt(event);
      event.preventDefault();
      canvas.focus();
    });
    canvas.addEventListener("pointermove", (event) => drawing && drawAt(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        drawing = false;
        push();
      });
    }
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.03], ArrowDown: [0, -0.03] }[event.key];
      if (!move || !open()) return;
      event.preventDefault();
      const n = model.get("plan").columns;
      const height = now.guess.length ? now.guess[cursor] : 0.5;
      const column = Math.min(n - 1, Math.max(0, cursor + move[0]));
      if (move[0] && !now.guess.length) cursor = column;
      else setColumns(column, Math.min(1, Math.max(0, height + move[1])));
      draw();
    });
    canvas.addEventListener("keyup", () => push());
    canvas.addEventListener("focus", draw);
    canvas.addEventListener("blur", draw);
  }

  const push = () => {
    if (open()) save(model, { guess: now.guess, confidence: now.confidence });
    show();
  };
  const rows = [];
  let number = null;
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
    rows.push(number.row);
  }
  const group = `lwlr-prediction-${Math.random().toString(36).slice(2)}`;
  const options = kind === "choice" ? labels.map((text, i) => option(text, i)) : [];
  // A name for each view: the same question may stand on the page twice, before and after its truth is shown.
  function option(text, i) {
    const input = element("input", {
      type: "radio", name: group, "data-option": i, "data-lm-suppress-shortcuts": "true",
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
    if (number && !now.guess.length) number.row.querySelector("output").textContent = "–";
    status.textContent = said();
  }

  const FIRST = { number: "move the slider first", choice: "choose an answer first", curve: "draw a curve first" };
  function said() {
    if (open()) return now.guess.length ? "" : FIRST[kind];
    if (unsaid) return "Not stored: the kernel does not answer. Run the cell again, and lock once more.";
    return now.words.replace(question, "").trim();
  }

  const body = kind === "choice" ? element("div", { class: "lwlr-options", role: "radiogroup", "aria-label": question },
    ...options.map((o) => o.row)) : canvas;
  const root = element("div", { class: "lwlr-view lwlr-prediction" },
    element("div", { class: "lwlr-question" }, question), ...rows, body,
    element("div", { class: "lwlr-controls" }, sure.row, lock, status));
  el.append(root);
  show();
  const unlisten = listen(model, ["guess", "confidence", "locked", "truth", "words"], () => {
    pull();
    show();
    draw();
  });
  const unwatch = onAppearanceChange(root, draw);
  draw();
  return () => {
    unlisten();
    unwatch();
  };
}

export default { render };
