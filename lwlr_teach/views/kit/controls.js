// The controls that all views share: sliders, check boxes with their legend, buttons.
import { colourOf, fit, marker, onAppearanceChange, polyline } from "./canvas.js";

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Without this attribute, on the control itself, JupyterLab takes the arrow keys, Enter and Space away.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

// Tells the kernel, if there is one. A page without a kernel, or with a dead one, goes on without.
export function save(model, changes) {
  try {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  } catch (error) {
    console.debug("lwlr-teach: not saved", error);
  }
}

// Listens to the kernel's changes; returns a stop function.
export function listen(model, names, callback) {
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, callback);
  return () => {
    for (const event of events) model.off?.(event, callback);
  };
}

// Puts a view on the page and keeps it true to the kernel's values of these names, to the theme and to the page's width.
// Returns what ends that.
export function live(model, el, root, names, { pull, show, draw }) {
  pull();
  show();
  el.append(root);
  const unlisten = listen(model, names, () => {
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

// A labelled slider over the positions of `labels`. It moves the picture on every input, and saves on release.
export function slider(name, title, labels, { onInput, onRelease }) {
  const input = element("input", {
    type: "range", min: 0, max: labels.length - 1, step: 1, "data-name": name, "aria-label": title, ...OWN_KEYS,
  });
  const shown = element("output", { class: "lwlr-value" });
  const show = (position) => {
    input.value = position;
    shown.textContent = labels[position];
    input.setAttribute("aria-valuetext", labels[position]);
  };
  input.addEventListener("input", () => {
    show(Number(input.value));
    onInput(Number(input.value));
  });
  input.addEventListener("change", () => onRelease(Number(input.value)));
  const row = element("label", { class: "lwlr-slider" }, element("span", {}, title), input, shown);
  return { row, show };
}

export function button(name, text, title, onClick) {
  const made = element("button", { type: "button", "data-name": name, title, ...OWN_KEYS }, text);
  made.addEventListener("click", onClick);
  return made;
}

// Radio buttons, one for each entry of `options` {value: words}.
export function choice(name, title, options, onPick) {
  // Two views of a page must not share a group, and each has loaded a module of its own, so that none can count.
  const group = `lwlr-${name}-${Math.random()}`;
  const inputs = Object.keys(options).map((value) =>
    element("input", { type: "radio", name: group, value, "data-name": name, ...OWN_KEYS }));
  for (const input of inputs) input.addEventListener("change", () => onPick(input.value));
  const rows = inputs.map((input) =>
    element("label", { class: "lwlr-option" }, input, element("span", {}, options[input.value])));
  const row = element("div", { class: "lwlr-choice", role: "radiogroup", "aria-label": title }, ...rows);
  const show = (value) => {
    for (const input of inputs) input.checked = input.value === value;
  };
  return { row, show };
}

// A list to choose one of `options` {value: words} from.
export function dropdown(name, title, options, onPick) {
  const made = element("select", { "data-name": name, "aria-label": title, ...OWN_KEYS },
    ...Object.entries(options).map(([value, words]) => element("option", { value }, words)));
  made.addEventListener("change", () => onPick(made.value));
  const row = element("label", { class: "lwlr-dropdown" }, element("span", {}, title), made);
  return { row, show: (value) => (made.value = value) };
}

// A button that walks from `position()` to the last one, or from 0 if it is there already. `last` is a function where
// the last position may change. All of it takes `milliseconds`. `onStop` is called when it ends by itself or is paused,
// not by `stop`.
export function player(last, milliseconds, { position, onStep, onStop }) {
  let playing = 0;
  const made = button("play", "▶ play", "walk through the steps", () => (playing ? (stop(), onStop()) : begin()));
  function begin() {
    const end = typeof last === "function" ? last() : last;
    const from = position() >= end ? 0 : position();
    const start = performance.now() - (from / end) * milliseconds;
    made.textContent = "❚❚ pause";
    const tick = (t) => {
      const at = Math.min(end, Math.max(from, Math.floor(((t - start) / milliseconds) * end)));
      if (at !== position()) onStep(at);
      if (at < end) playing = requestAnimationFrame(tick);
      else (stop(), onStop());
    };
    playing = requestAnimationFrame(tick);
  }
  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    made.textContent = "▶ play";
  }
  return { button: made, stop };
}

// One row a method: check box, the line and marker that it is drawn with, name, read-out.
export function legend(methods, title, onToggle) {
  const rows = methods.map(({ name, style }) => {
    const box = element("input", { type: "checkbox", "data-method": name, ...OWN_KEYS });
    box.addEventListener("change", () => onToggle(name, box.checked));
    const swatch = element("canvas", { class: "lwlr-swatch", "aria-hidden": "true" });
    const readout = element("span", { class: "lwlr-readout", "data-readout": name });
    const row = element("label", { class: "lwlr-method" }, box, swatch, element("span", {}, name), readout);
    return { name, style, box, swatch, readout, row };
  });
  const root = element("div", { class: "lwlr-legend" }, element("div", { class: "lwlr-legend-title" }, title));
  root.append(...rows.map((r) => r.row));
  const draw = (colours, shown, readoutOf) => {
    for (const { name, style, box, swatch, readout, row } of rows) {
      const on = shown.includes(name);
      box.checked = on;
      row.classList.toggle("lwlr-off", !on);
      const text = on ? readoutOf(name) : "";
      if (readout.textContent !== text) readout.textContent = text;
      const key = `${colours.text}${window.devicePixelRatio}`;
      if (swatch.dataset.drawn !== key) {
        const ctx = fit(swatch);
        if (!ctx) continue;
        const colour = colourOf(style, colours);
        polyline(ctx, 2, (i) => 2 + 30 * i, () => 8, { colour, dash: style.dash });
        marker(ctx, style.marker, 17, 8, 4.5, colour, colours.paper);
        swatch.dataset.drawn = key;
      }
    }
  };
  return { root, draw };
}

// Adds or removes a name, keeping the legend's order.
export function toggled(methods, shown, name, on) {
  return methods.map((m) => m.name).filter((n) => (n === name ? on : shown.includes(n)));
}
