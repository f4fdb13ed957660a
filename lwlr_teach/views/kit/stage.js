// The stage of a view. It keeps the state equal to the kernel's traits, and binds to it the controls, the pictures and
// the sentence; what every picture can do with its numbers is here as well.
import { contextOf, fit, onAppearanceChange, painter, theme } from "./canvas.js";
import { goals, plot, plotAt, pointAt, tableOf } from "./chart.js";
import {
  OWN_KEYS, button, check, choice, copyable, dropdown, element, legend, listen, mount, player, save, slider, speaker, staysInView, toggled,
} from "./controls.js";
import { dragged, placeOn } from "./pointer.js";
import { label, short } from "./text.js";

// The state of a view, `now`, has the traits that stand in `plan.start`, by their names.
/** @param {{ model: Model, el: HTMLElement }} page */
export function stage({ model, el }) {
  const plan = model.get("plan");
  const traits = Object.keys(plan.start);
  /** @type {Record<string, any>} */
  const now = {};
  /** @type {((colours: Colours) => void)[]} */
  const shows = []; // each lets a control show the state
  const pictures = []; // { canvas, paint, says, drags }
  const stops = []; // each ends something
  /** @type {string[]} */
  const followed = []; // names of other traits
  /** @type {(() => string)[]} */
  const heard = []; // what is told before the sentence to those who hear the view
  const { region, tell, hush } = speaker();
  let sentence = () => "";
  /** @type {HTMLElement} */
  let root; // what `open` puts on the page
  let take = () => {}; // see `follow`
  let relist = () => {}; // keeps the listed numbers up to date
  /** @type {string | null} */
  let pointed = null; // the name of what the pointer is at, in a picture or in the legend

  const pull = (name) => (now[name] = model.get(name));
  const push = () => save(model, { ...now });
  const draw = painter(() => {
    const colours = theme();
    const said = sentence();
    for (const show of shows) show(colours);
    for (const { canvas, paint, says } of pictures) {
      if (says !== null) canvas.setAttribute("aria-label", typeof says === "function" ? says() : says + said);
      canvas.plots = [];
      const ctx = fit(canvas);
      if (ctx) paint(ctx, colours, pointed);
    }
    relist();
    tell([...heard.map((say) => say()), said].filter(Boolean).join(" "));
  });
  // For as long as something moves, and for good with `commit`.
  const change = (part) => {
    Object.assign(now, part);
    take();
    draw();
  };
  const commit = (part = {}) => {
    change(part);
    push();
  };
  const halt = () => stops.forEach((stop) => stop.pause?.());
  const point = (name) => {
    if (name === pointed) return;
    pointed = name;
    draw();
  };

  const bind = (control, trait, key) => {
    shows.push(() => control.show(key === undefined ? now[trait] : now[trait][key]));
    return control.row;
  };
  // The part of the state in which a trait has this value, or the one of its values that `key` names.
  const part = (trait, key, value, from = {}) => {
    if (key === undefined) return { [trait]: value };
    const copy = structuredClone(from[trait] ?? now[trait]);
    copy[key] = value;
    return { [trait]: copy };
  };
  /** @type {Goal} */
  const goal = (p, left, top, handle) => {
    const all = {};
    for (const g of goals(p, left, top)) Object.assign(all, part(handle ?? g.trait, g.key, g.position, all), g.also);
    return all;
  };
  // Where a handle of a plot is, and which is the nearest to a place.
  /** @type {Handles} */
  const handles = {
    place: (p, trait) => [p.px(now[trait][p.x.key ?? 0]), p.py(now[trait][p.y.key ?? 1])],
    nearest: (p, left, top) => {
      const away = (p.handles ?? []).map((trait) => {
        const [x, y] = handles.place(p, trait);
        return Math.hypot(x - left, y - top);
      });
      return p.handles?.[away.indexOf(Math.min(...away))];
    },
  };
  const named = (trait) => trait.replace(/_index$/, "");
  /** @type {(trait: string, also?: (value: any) => object) => (value: any) => void} */
  const picked = (trait, also = () => ({})) => (value) => {
    halt();
    commit({ [trait]: typeof now[trait] === "number" ? Number(value) : value, ...also(value) }); // the browser's values are texts
  };
  const controls = {
    // `key`: which of the trait's values it moves; `also`: what else changes with it.
    /**
     * @param {string} trait
     * @param {string} title
     * @param {Labels} labels
     * @param {string} name
     * @param {{ key?: string | number, also?: Record<string, unknown> }} more
     */
    slider: (trait, title, labels, name = named(trait), { key, also = {} } = {}) => {
      const moved = (value) => {
        halt();
        change({ ...part(trait, key, value), ...also });
      };
      return bind(slider(name, title, labels, { onInput: moved, onRelease: push }), trait, key);
    },
    // `options` are {value: words}, or a list of values that speak for themselves.
    // `also(value)` is what else changes with the choice.
    /** @type {(trait: string, title: string, options: Options, also?: (value: any) => object) => HTMLElement} */
    choice: (trait, title, options, also) => bind(choice(trait, title, worded(options), picked(trait, also)), trait),
    /** @type {(trait: string, title: string, options: Options, also?: (value: any) => object) => HTMLElement} */
    dropdown: (trait, title, options, also) => bind(dropdown(trait, title, worded(options), picked(trait, also)), trait),
    /** @type {(trait: string, title: string) => HTMLElement} */
    check: (trait, title) => bind(check(trait, title, picked(trait)), trait),
    // A box that is no trait of its own: whether it is on, and what a click on it changes.
    /** @type {(name: string, title: string, on: () => boolean, change: (on: boolean) => object) => HTMLElement} */
    box: (name, title, on, changed) => {
      const made = check(name, title, (value) => {
        halt();
        commit(changed(value));
      });
      shows.push(() => made.show(on()));
      return made.row;
    },
    reset: () => button("reset", "reset", "put everything back as it was", () => {
      halt();
      commit(structuredClone(plan.start));
    }),
    // Plays a trait from where it stands to `last`, in so many milliseconds.
    /** @type {(trait: string, last: number | (() => number), milliseconds: number) => HTMLElement} */
    player: (trait, last, milliseconds) => {
      const made = player(last, milliseconds, {
        position: () => now[trait], onStep: (at) => change({ [trait]: at }), onStop: push,
      });
      stops.push({ pause: made.stop });
      return made.button;
    },
    // Which of the methods are `shown`. `readout(name)` is what stands beside one.
    /** @type {(methods: Method[], title: string, readout: (name: string) => string) => HTMLElement} */
    legend: (methods, title, readout) => {
      const all = methods.map((m) => m.name);
      const list = legend(methods, title,
        (name, on) => commit({ shown: toggled(methods, now.shown, name, on) }),
        (name) => commit({ shown: now.shown.length === 1 && now.shown[0] === name ? all : [name] }));
      shows.push((colours) => list.draw(colours, now.shown, readout));
      list.root.querySelectorAll(".lwlr-method").forEach((row, i) => {
        for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => point(methods[i].name));
        for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => point(null));
      });
      return list.root;
    },
  };
  /** @type {<M extends Method>(methods: M[]) => (M & { i: number })[]} */
  const visible = (methods) => methods.map((m, i) => ({ ...m, i })).filter((m) => now.shown.includes(m.name));

  // A canvas that `paint(ctx, colours, pointed)` draws; `pointed` is the name that the pointer is at, or null. `says`
  // begins its label, or is a function that returns it; null for one that is described elsewhere. Where a plot of it can
  // be clicked, the pointer can go on and drag the position, if it `drags`, and with `keys` the arrow keys move it.
  /**
   * @param {string} name
   * @param {(ctx: Context, colours: Colours, pointed: string | null) => void} paint
   * @param {string | (() => string) | null} says
   * @param {{ drags?: boolean, keys?: boolean }} more
   */
  function picture(name, paint, says = "", { drags = false, keys = false } = {}) {
    /** @type {Record<string, string>} */
    const seen = says === null ? { "aria-hidden": "true" } : { role: "img" };
    const canvas = element("canvas", { class: classes(name) + (drags ? " lwlr-drags" : ""), ...seen });
    pictures.push({ canvas, paint, says, drags, keys });
    return canvas;
  }

  // The sentence as text above the pictures.
  function words(say = () => sentence()) {
    const made = element("div", { class: "lwlr-words", "aria-hidden": "true" });
    shows.push(() => {
      const text = say();
      if (made.textContent !== text) made.textContent = text;
    });
    return made;
  }

  // For what the kernel sends anew: `taken()` is called now, and whenever the state or one of these other traits has
  // changed, before it is drawn. It may put the state right, where one choice bounds another.
  /**
   * @param {string[]} names
   * @param {() => void} taken
   */
  function follow(names, taken) {
    followed.push(...names);
    take = taken;
    take();
  }

  // Puts the view on the page: `say()` is its sentence, `parts` what stands in it. Returns what ends it.
  /**
   * @param {string} name
   * @param {() => string} say
   * @param {(Node | string)[]} parts
   */
  function open(name, say, ...parts) {
    sentence = say;
    const below = tools(() => root, pictures, say);
    relist = below.relist;
    root = element("div", { class: `lwlr-view ${classes(name)}` }, ...parts, region);
    for (const { canvas, drags, keys } of pictures) {
      readable(canvas, root, drags, { goal, handles, change, commit, halt, point });
      if (keys) movable(canvas, { goal, handles, commit, halt });
    }
    traits.forEach(pull);
    take();
    mount(model, el, root);
    root.append(below.row);
    staysInView(root);
    const unlisten = [...traits, ...followed].map((name) => listen(model, [name], () => {
      if (traits.includes(name)) pull(name);
      take();
      draw();
    }));
    const unwatch = onAppearanceChange(root, draw);
    draw();
    return () => {
      halt();
      hush();
      unlisten.forEach((stop) => stop());
      unwatch();
    };
  }

  traits.forEach(pull);
  return { model, plan, now, change, commit, draw, visible, picture, words, follow, open, plot, shows, heard, halt, ...controls };
}

// One name or several of them, as classes.
/** @param {string} names */
const classes = (names) => names.split(" ").map((name) => `lwlr-${name}`).join(" ");
/**
 * @param {Options} options
 * @returns {Record<string, string>}
 */
const worded = (options) =>
  Array.isArray(options) ? Object.fromEntries(options.map((name) => [name, name])) : options;

// --- what every picture can do ------------------------------------------------------------------------------

// The pointer reads a picture: the nearest point of a curve says its numbers. A click goes there, and so does a drag.
function readable(canvas, root, drags, { goal, handles, change, commit, halt, point }) {
  const tip = element("div", { class: "lwlr-tip", "aria-hidden": "true" });
  const ring = element("div", { class: "lwlr-ring", "aria-hidden": "true" });
  const hide = () => {
    tip.remove();
    ring.remove();
    point(null);
  };
  canvas.addEventListener("pointermove", (event) => {
    const [left, top] = placeOn(canvas, event);
    const plots = canvas.plots ?? [];
    canvas.classList.toggle("lwlr-goes", plotAt(plots, left, top) !== undefined);
    const found = event.buttons ? null : pointAt(plots, left, top);
    if (!found) return hide();
    point(found.name);
    tip.textContent = reads(found);
    root.append(ring, tip);
    const [outer, box] = [root, canvas].map((part) => part.getBoundingClientRect());
    const larger = box.width / canvas.offsetWidth;
    const [x, y] = [(box.left - outer.left) / larger + found.px, (box.top - outer.top) / larger + found.py];
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px` });
    const beside = x > root.offsetWidth / 2 ? x - tip.offsetWidth - 10 : x + 10;
    const edge = Math.max(0, Math.min(root.offsetWidth - tip.offsetWidth, beside));
    Object.assign(tip.style, { left: `${edge}px`, top: `${y - tip.offsetHeight - 8}px` });
  });
  canvas.addEventListener("pointerleave", hide);
  canvas.addEventListener("pointercancel", hide);
  if (!drags) {
    canvas.addEventListener("click", (event) => {
      const [left, top] = placeOn(canvas, event);
      const clicked = plotAt(canvas.plots ?? [], left, top);
      if (!clicked) return;
      halt();
      commit(goal(clicked, left, top));
    });
    return;
  }
  /** @type {Plot | undefined} */
  let held; // the plot in which a drag began
  /** @type {string | undefined} */
  let handle; // what is dragged there, if the plot has handles
  /** @type {{ part: object, left: number, top: number } | null} */
  let click = null; // what a press changes if it stays where it is
  dragged(canvas, (left, top, begins) => {
    if (begins) {
      halt();
      const part = pointAt(canvas.plots ?? [], left, top, NEAR)?.goes;
      click = part ? { part, left, top } : null;
      held = plotAt(canvas.plots ?? [], left, top);
      handle = held && handles.nearest(held, left, top);
    }
    if (click && Math.hypot(left - click.left, top - click.top) > NEAR) click = null;
    if (held && !click) change(goal(held, left, top, handle));
  }, () => {
    if (held) commit(click?.part);
    held = undefined;
  });
}

const NEAR = 6; // pixels: a press that means the point below it
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The arrow keys move a handle of a picture's plot, by a hundredth of the plot, with Shift by a tenth; Space takes the
// next handle.
function movable(canvas, { goal, handles, commit, halt }) {
  let chosen = 0;
  canvas.tabIndex = 0;
  for (const [name, value] of Object.entries(OWN_KEYS)) canvas.setAttribute(name, value);
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    const p = canvas.plots?.find(({ handles }) => handles?.length);
    if (!p || !(way || event.key === " ")) return;
    event.preventDefault();
    if (!way) return void chosen++;
    halt();
    const trait = p.handles[chosen % p.handles.length];
    const [left, top] = handles.place(p, trait);
    const by = event.shiftKey ? 0.1 : 0.01;
    commit(goal(p, left + by * way[0] * p.width, top + by * way[1] * p.height, trait));
  });
}

/** @param {Found} found */
function reads(found) {
  if (found.text || !found.curve) return found.text ?? "";
  const { plot: p, curve, i } = found;
  const value = curve.text ? curve.text(curve.y(i)) : short(curve.y(i));
  const name = curve.name ? `${curve.name}: ` : "";
  return `${name}${p.x.title} ${label(curve.x(i))}, ${value}`;
}

// Below a view: its numbers as a table and as CSV, and its picture as a file.
function tools(root, pictures, say) {
  const panel = element("div", { class: "lwlr-numbers" });
  panel.hidden = true;
  const tables = () => pictures.flatMap(({ canvas }) => canvas.plots ?? []).filter((p) => p.curves.length || p.table).map(tableOf);
  const numbers = button("numbers", "numbers", "the values of the picture as a table, and as text to copy", () => {
    panel.hidden = !panel.hidden;
    numbers.setAttribute("aria-expanded", String(!panel.hidden));
    relist();
  });
  /** @type {string | null} */
  let last = null;
  const relist = () => {
    const found = panel.hidden ? [] : tables();
    const csv = panel.hidden ? null : csvOf(found);
    if (csv !== null && csv !== last) panel.replaceChildren(...listed(found, csv));
    last = csv;
  };
  numbers.setAttribute("aria-expanded", "false");
  const keep = button("png", "save picture", "keep this picture as a file (PNG)", () => download(root(), say()));
  return { row: element("div", { class: "lwlr-tools" }, numbers, keep, panel), relist };
}

/** @param {Table[]} tables */
const csvOf = (tables) => tables.map(({ title, head, rows }) =>
  [`# ${title ?? ""}`, ...[head, ...rows].map((row) => row.map(quoted).join(","))].join("\n")).join("\n\n");

/**
 * @param {Table[]} tables
 * @param {string} csv
 */
function listed(tables, csv) {
  if (!tables.length) return [element("p", {}, "This picture has no curves to list.")];
  const copy = copyable("csv", "copy as CSV", "the numbers as CSV", () => csv);
  return [copy.button, copy.area, ...tables.map(({ title, head, rows }) => {
    const line = (cells, tag) => element("tr", {}, ...cells.map((cell) => element(tag, {}, wroteCell(cell))));
    const table = element("table", {}, element("caption", {}, title ?? ""), element("thead", {}, line(head, "th")),
      element("tbody", {}, ...rows.map((row) => line(row, "td"))));
    return element("div", { class: "lwlr-table", tabindex: 0, ...OWN_KEYS }, table);
  })];
}

const wroteCell = (cell) => (typeof cell === "number" ? String(Number(cell.toPrecision(4))) : String(cell ?? ""));
const quoted = (cell) => (typeof cell === "string" && /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell ?? "");

// What is on the page, as one picture: canvases where they are, and the words between them.
/**
 * @param {HTMLElement} root
 * @param {string} said
 */
function download(root, said) {
  const outer = root.getBoundingClientRect();
  const ratio = Math.max(2, window.devicePixelRatio || 1);
  const colours = theme();
  const lines = 34;
  const sheet = element("canvas", { width: outer.width * ratio, height: (outer.height + lines) * ratio });
  const ctx = contextOf(sheet);
  ctx.scale(ratio, ratio);
  Object.assign(ctx, { fillStyle: colours.paper, textBaseline: "middle" });
  ctx.fillRect(0, 0, outer.width, outer.height + lines);
  let bottom = 0;
  for (const part of root.querySelectorAll("canvas, .lwlr-method > :not(input), .lwlr-legend-title")) {
    const box = part.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const [left, top] = [box.left - outer.left, box.top - outer.top];
    bottom = Math.max(bottom, top + box.height);
    if (part instanceof HTMLCanvasElement) {
      ctx.drawImage(part, left, top, box.width, box.height);
    } else {
      const style = getComputedStyle(part);
      Object.assign(ctx, { fillStyle: style.color, font: `${style.fontWeight} ${style.fontSize} ${style.fontFamily}` });
      ctx.textAlign = style.textAlign === "right" ? "right" : "left";
      ctx.fillText(part.textContent, left + (ctx.textAlign === "right" ? box.width : 0), top + box.height / 2);
    }
  }
  Object.assign(ctx, { fillStyle: colours.text, font: colours.font, textAlign: "left" });
  wrapped(ctx, said, outer.width - 8).slice(0, 2).forEach((text, i) => ctx.fillText(text, 4, bottom + 12 + 15 * i));
  const cut = element("canvas", { width: sheet.width, height: Math.round((bottom + lines) * ratio) });
  contextOf(cut).drawImage(sheet, 0, 0);
  cut.toBlob((blob) => {
    if (!blob) return; // the browser has no room for it
    const address = URL.createObjectURL(blob);
    element("a", { href: address, download: "lwlr-teach.png" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} text
 * @param {number} width
 */
function wrapped(ctx, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (ctx.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
