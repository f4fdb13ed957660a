// Brings the views of a page to life without a kernel. A place for a view is <div class="lwlr-live" data-view="surface"
// data-state="address">; its picture stays where anything fails. Places of one address show one view.
import { begin, kernelOf } from "./kernel.js";

const VIEWS = new URL("../../lwlr_teach/views/", import.meta.url);
const NEAR = "800px 0px"; // so far from the window a view is put on the page

// The state in a file: a line of JSON, then the bytes of the traits that are bytes. All of it is compressed.
/** @param {string} address */
async function read(address) {
  const answer = await fetch(address);
  if (!answer.ok || !answer.body) throw new Error(`${address}: ${answer.status}`);
  const all = new Uint8Array(await new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const end = all.indexOf(10);
  const { traits, bytes, ...more } = JSON.parse(new TextDecoder().decode(all.subarray(0, end)));
  for (const [name, [from, length]] of Object.entries(bytes)) traits[name] = new DataView(all.buffer, end + 1 + from, length);
  return { traits, ...more };
}

// What anywidget hands to a view: a change is told to all who show it, and with `save_changes` to what stands in for Python.
/** @param {Record<string, any>} state */
function modelOf(state) {
  /** @type {Map<string, Set<() => void>>} */
  const heard = new Map();
  const unsaved = new Set();
  const set = (name, value) => {
    if (state[name] === value) return;
    state[name] = value;
    unsaved.add(name);
    for (const callback of heard.get(`change:${name}`) ?? []) callback();
  };
  return {
    get: (name) => state[name],
    set,
    save_changes() {
      const names = [...unsaved];
      unsaved.clear();
      if (names.length) this.saved?.(names);
    },
    on: (event, callback) => void heard.set(event, (heard.get(event) ?? new Set()).add(callback)),
    off: (event, callback) => void heard.get(event)?.delete(callback),
    send() {},
    /** @type {((names: string[]) => void) | null} what stands in for Python hears of what was saved */
    saved: null,
  };
}

/** @type {Map<string, Promise<ReturnType<typeof modelOf> & Kernel>>} */
const models = new Map();

// The view's model, with what its kernel would do.
/** @param {HTMLElement} place */
function modelAt({ dataset: { state = "", view = "", lesson = "" } }) {
  const known = models.get(state) ?? read(state).then(({ traits }) => {
    const model = modelOf(traits);
    return Object.assign(model, kernelOf(view, model, traits, lesson));
  });
  models.set(state, known);
  return known;
}

/** @param {HTMLElement} place */
async function show(place) {
  const el = document.createElement("div");
  try {
    const code = new URL(place.dataset.module ?? `${place.dataset.view}/view.js`, VIEWS).href;
    const [model, { default: view }] = await Promise.all([modelAt(place), import(code)]);
    place.append(el);
    place.classList.add("lwlr-alive");
    await view.render({ model, el });
  } catch (error) {
    el.remove();
    place.classList.remove("lwlr-alive");
    console.warn("lwlr-teach: this view stays a picture.", error);
  }
}

// A fold with an answer is what running the cell is in JupyterLab. Until a guess is locked it asks for one.
/** @param {HTMLDetailsElement} fold */
async function guard(fold) {
  const place = /** @type {HTMLElement} */ (fold.querySelector('.lwlr-live[data-view="prediction"]'));
  fold.classList.add("lwlr-asks");
  try {
    const model = await modelAt(place);
    const tell = () => {
      if (!fold.open || !(model.get("locked") || model.toldAnyway)) return;
      fold.classList.remove("lwlr-asks");
      model.reveal?.();
    };
    const anyway = document.createElement("button");
    anyway.textContent = "Show the answer without a guess";
    anyway.addEventListener("click", () => {
      model.toldAnyway = true;
      tell();
    });
    const asks = document.createElement("p");
    asks.className = "lwlr-first";
    asks.append("Lock a guess, and the answer is here. ", anyway);
    fold.append(asks);
    fold.addEventListener("toggle", tell);
    model.on("change:locked", tell);
    if (model.wasTold) fold.open = true;
    tell();
  } catch (error) {
    fold.classList.remove("lwlr-asks");
    console.warn("lwlr-teach: this answer stands open.", error);
  }
}

// The theme says on the root whether the page is dark; views look where JupyterLab says it.
function follow() {
  const root = document.documentElement;
  const tell = () => (document.body.dataset.jpThemeLight = String(root.dataset.theme !== "dark"));
  new MutationObserver(tell).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  tell();
}

follow();
const lesson = /** @type {HTMLElement | null} */ (document.querySelector(".lwlr-live[data-lesson]"))?.dataset.lesson;
if (lesson) begin(lesson);
for (const fold of document.querySelectorAll("details.lwlr-answer")) {
  if (fold.querySelector('.lwlr-live[data-view="prediction"]')) guard(/** @type {HTMLDetailsElement} */ (fold));
}
const watch = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    watch.unobserve(target);
    show(/** @type {HTMLElement} */ (target));
  }
}, { rootMargin: NEAR });
for (const place of document.querySelectorAll(".lwlr-live")) watch.observe(place);
