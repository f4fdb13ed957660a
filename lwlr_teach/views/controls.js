// The controls that all views share: sliders, check boxes with their legend, buttons.
import { colourOf, fit, marker, polyline } from "./canvas.js";

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
