// The controls that all views share: sliders, check boxes with their legend, buttons.
import { colourOf, fit, marker, onAppearanceChange, polyline } from "./canvas.js";

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

// Without this attribute, on the control itself, JupyterLab takes the arrow keys, Enter and Space away.
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

// Tells the kernel, if there is one. A page without a kernel, or with a dead one, goes on without.
/**
 * @param {Model} model
 * @param {Record<string, unknown>} changes
 */
export function save(model, changes) {
  try {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  } catch (error) {
    console.debug("lwlr-teach: not saved", error);
  }
}

// Listens to the kernel's changes; returns a stop function.
/**
 * @param {Model} model
 * @param {string[]} names
 * @param {() => void} callback
 */
export function listen(model, names, callback) {
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, callback);
  return () => {
    for (const event of events) model.off?.(event, callback);
  };
}

// Puts a view on the page. Its controls have the keyboard to themselves (OWN_KEYS). Escape gives it back to the notebook.
// Shift+Enter goes on to the next cell as well: to run the view's own once more would lose what was set in it. In a text
// a new line may be meant. Below the view stands what Python has to say, if a change of the view made it speak.
/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {HTMLElement} root
 */
export function mount(model, el, root) {
  root.addEventListener("keydown", (event) => {
    const control = /** @type {HTMLElement} */ (event.target);
    const notebook = control.closest(".jp-Notebook");
    const goesOn = event.key === "Enter" && event.shiftKey && control.tagName !== "TEXTAREA";
    if (!notebook || !(goesOn || event.key === "Escape")) return;
    event.preventDefault(); // a button is not pressed
    event.stopPropagation();
    leave(control);
    const next = control.closest(".jp-Cell")?.nextElementSibling;
    if (goesOn) /** @type {HTMLElement | null | undefined} */ (next)?.focus(); // JupyterLab chooses what has the focus
  });
  root.append(fault(model));
  el.append(root);
}

// An error or a warning of Python's that a change of this view has met.
/** @param {Model} model */
function fault(model) {
  const made = element("div", { class: "lwlr-fault", role: "alert" });
  const show = () => (made.textContent = model.get("fault") ?? "");
  model.on("change:fault", show);
  show();
  return made;
}

// Puts a view on the page and keeps it true to the kernel's values of these names, to the theme and to the page's width.
// Returns what ends that.
/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {HTMLElement} root
 * @param {string[]} names
 * @param {{ pull: () => void, show: () => void, draw: () => void }} does
 */
export function live(model, el, root, names, { pull, show, draw }) {
  pull();
  show();
  mount(model, el, root);
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

// What a view tells those who hear it: one region, which speaks once there has been nothing new for a while. So a drag is
// heard at its end. What is there at first is not news.
const STILL = 500; // milliseconds
export function speaker() {
  const region = element("div", { class: "lwlr-heard", role: "status" });
  /** @type {string | null} */
  let last = null;
  let later = 0;
  /** @param {string} text */
  const tell = (text) => {
    if (text === last) return;
    clearTimeout(later);
    if (last !== null) later = setTimeout(() => (region.textContent = text), STILL);
    last = text;
  };
  return { region, tell, hush: () => clearTimeout(later) };
}

// An empty screen with a word at its top: what the page says below, nobody reads by accident.
/** @param {string} words */
export const emptyScreen = (words) => element("div", { class: "lwlr-gap" }, words);

// Shift+Enter goes on to the next cell, below what the cell has put on the page: then that comes back. With `last`, the
// last line of a question, as much as fits of what stands above is seen as well: it is needed to think.
const AFTER_THAT = 400; // milliseconds
/**
 * @param {Element} part
 * @param {Element} [last]
 */
export const staysInView = (part, last) => setTimeout(() => {
  const next = part.closest(".jp-Cell")?.nextElementSibling;
  if (!next?.classList.contains("jp-mod-active")) return;
  last?.scrollIntoView({ block: "end" });
  part.scrollIntoView({ block: "nearest" });
}, AFTER_THAT);

// What a person types for a number: 2.5e-3, 0,5, −1, 40 %, 40,000, 40 steps. NaN for what is none. Where `percents` are
// shown, one is typed with its sign or without.
/**
 * @param {string} text
 * @param {boolean} [percents]
 */
export function typedNumber(text, percents = false) {
  const thousands = /^[1-9]\d{0,2}(,\d{3})+$/.test(text.trim());
  const plain = text.trim().replace(/(\d) [a-z]+$/i, "$1").replace("−", "-").replaceAll(",", thousands ? "" : ".");
  const signed = plain.endsWith("%");
  const digits = signed ? plain.slice(0, -1).trim() : plain;
  const number = digits ? Number(digits) : NaN;
  return signed || percents ? number / 100 : number;
}

// The position whose value is nearest: by ratio where all values are positive, as on a logarithmic slider.
/**
 * @param {number[]} values
 * @param {number} wanted
 */
export function nearest(values, wanted) {
  const ratio = wanted > 0 && values.every((value) => value > 0);
  const away = values.map((value) => Math.abs(ratio ? Math.log(value / wanted) : value - wanted));
  return away.indexOf(Math.min(...away));
}

// Gives the keyboard back to the notebook, if the view is in one.
/** @param {HTMLElement} control */
function leave(control) {
  control.blur();
  /** @type {HTMLElement | null} */ (control.closest(".jp-Notebook"))?.focus();
}

// A labelled slider over the positions of `labels`. It moves the picture on every input, and saves on release. The
// arrow keys move it by one, with Shift by ten; beside it stands its value, which can be typed there, or while the
// slider has the keyboard: the nearest is taken.
// `labels` are a function where they change with another choice.
/**
 * @param {string} name
 * @param {string} title
 * @param {Labels} labels
 * @param {{ onInput: (position: number) => void, onRelease: (position: number) => void }} does
 */
export function slider(name, title, labels, { onInput, onRelease }) {
  const listOf = typeof labels === "function" ? labels : () => labels;
  const last = () => listOf().length - 1;
  const values = () => listOf().map((text) => typedNumber(String(text)));
  /** @type {unknown} */
  let sized = null; // the list that the slider's length and the value's width fit
  const input = element("input", {
    type: "range", min: 0, max: last(), step: 1, "data-name": name, "aria-label": title, ...OWN_KEYS,
  });
  const shown = element("input", {
    type: "text", class: "lwlr-value", tabindex: -1, inputmode: "decimal", autocomplete: "off", spellcheck: "false",
    "data-value": name, "aria-label": `${title}: type a value`, ...OWN_KEYS,
  });
  /** @param {number} position */
  const show = (position) => {
    const list = listOf();
    // `show` runs in every frame, and the list seldom changes.
    if (list !== sized) {
      sized = list;
      input.max = String(list.length - 1);
      shown.style.width = `${Math.max(...list.map((text) => String(text).length))}ch`;
    }
    input.value = String(position);
    const label = String(list[position]);
    if (document.activeElement !== shown || !shown.dataset.typing) shown.value = label;
    input.setAttribute("aria-valuetext", label);
  };
  const go = (position) => {
    show(Math.min(last(), Math.max(0, position)));
    onInput(Number(input.value));
  };
  input.addEventListener("input", () => go(Number(input.value)));
  input.addEventListener("change", () => onRelease(Number(input.value)));
  const STEPS = { ArrowLeft: -10, ArrowDown: -10, ArrowRight: 10, ArrowUp: 10 };
  input.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain && /^[\d.,−-]$/.test(event.key) && !shown.readOnly) shown.focus(); // which takes the key
    if (!event.shiftKey || !STEPS[event.key]) return;
    event.preventDefault();
    go(Number(input.value) + STEPS[event.key]);
    onRelease(Number(input.value));
  });
  shown.readOnly = values().some(Number.isNaN);
  for (const event of ["focus", "click"]) shown.addEventListener(event, () => shown.select());
  shown.addEventListener("input", () => (shown.dataset.typing = "yes"));
  const done = () => delete shown.dataset.typing;
  const take = () => {
    done();
    const wanted = typedNumber(shown.value, listOf().some((text) => String(text).endsWith("%")));
    if (shown.readOnly || Number.isNaN(wanted)) return show(Number(input.value));
    go(nearest(values(), wanted));
    onRelease(Number(input.value));
  };
  shown.addEventListener("change", take);
  shown.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      take();
      input.focus();
    }
    if (event.key !== "Escape") return;
    done();
    show(Number(input.value));
  });
  const row = element("label", { class: "lwlr-slider" }, element("span", {}, title), input, shown);
  return { row, show };
}

/**
 * @param {string} name
 * @param {string} text
 * @param {string} title
 * @param {() => void} onClick
 */
export function button(name, text, title, onClick) {
  const made = element("button", { type: "button", "data-name": name, title, ...OWN_KEYS }, text);
  made.addEventListener("click", onClick);
  return made;
}

// A check box with its words.
/**
 * @param {string} name
 * @param {string} title
 * @param {(on: boolean) => void} onPick
 */
export function check(name, title, onPick) {
  const box = element("input", { type: "checkbox", "data-name": name, ...OWN_KEYS });
  box.addEventListener("change", () => onPick(box.checked));
  const row = element("label", { class: "lwlr-option" }, box, element("span", {}, title));
  return { row, show: (on) => (box.checked = on) };
}

// Radio buttons, one for each entry of `options` {value: words}.
/**
 * @param {string} name
 * @param {string} title
 * @param {Record<string, string>} options
 * @param {(value: string) => void} onPick
 */
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
    for (const input of inputs) input.checked = input.value === String(value);
  };
  return { row, show };
}

// A button that puts a text on the clipboard, and the text, to be copied by hand where there is no clipboard.
/**
 * @param {string} name
 * @param {string} words
 * @param {string} hint
 * @param {() => string} textOf
 */
export function copyable(name, words, hint, textOf) {
  const area = element("textarea", { rows: 6, readonly: "", "aria-label": hint, ...OWN_KEYS });
  area.hidden = true;
  const made = button(name, words, hint, async () => {
    area.value = textOf();
    try {
      await navigator.clipboard.writeText(area.value);
      made.textContent = "copied";
      setTimeout(() => (made.textContent = words), 2000);
    } catch {
      area.hidden = false;
      area.select();
    }
  });
  return { button: made, area };
}

// A list to choose one of `options` {value: words} from.
/**
 * @param {string} name
 * @param {string} title
 * @param {Record<string, string>} options
 * @param {(value: string) => void} onPick
 */
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
/**
 * @param {number | (() => number)} last
 * @param {number} milliseconds
 * @param {{ position: () => number, onStep: (position: number) => void, onStop: () => void }} does
 */
export function player(last, milliseconds, { position, onStep, onStop }) {
  let playing = 0;
  const made = button("play", "▶ play", "walk through the steps", () => (playing ? (stop(), onStop()) : begin()));
  // Who wants no motion goes to the end at once.
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  function begin() {
    const end = typeof last === "function" ? last() : last;
    if (still.matches) return (onStep(end), onStop());
    const from = position() >= end ? 0 : position();
    const start = performance.now() - (from / end) * milliseconds;
    made.textContent = "❚❚ pause";
    const tick = (t) => {
      const at = Math.min(end, Math.max(from, Math.floor(((t - start) / milliseconds) * end)));
      if (at !== position()) onStep(at);
      if (at < end) {
        playing = requestAnimationFrame(tick);
      } else {
        stop();
        onStop();
      }
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

// One row a method: check box, the line and marker that it is drawn with, name, read-out. The box takes a method in or
// out: `onToggle(name, on)`. A click on its name shows it alone, and all when it is alone already: `onAlone(name)`.
/**
 * @param {Method[]} methods
 * @param {string} title
 * @param {(name: string, on: boolean) => void} onToggle
 * @param {(name: string) => void} [onAlone]
 */
export function legend(methods, title, onToggle, onAlone) {
  const rows = methods.map(({ name, style }) => {
    const box = element("input", { type: "checkbox", "data-method": name, ...OWN_KEYS });
    box.addEventListener("change", () => onToggle(name, box.checked));
    const swatch = element("canvas", { class: "lwlr-swatch", "aria-hidden": "true" });
    const readout = element("span", { class: "lwlr-readout", "data-readout": name });
    const called = onAlone
      ? button(`alone-${name}`, name, "show this one alone, or all again", () => onAlone(name))
      : element("span", {}, name);
    called.classList.add("lwlr-name");
    const row = element("label", { class: "lwlr-method" }, box, swatch, called, readout);
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
/**
 * @param {Method[]} methods
 * @param {string[]} shown
 * @param {string} name
 * @param {boolean} on
 */
export function toggled(methods, shown, name, on) {
  return methods.map((m) => m.name).filter((n) => (n === name ? on : shown.includes(n)));
}
