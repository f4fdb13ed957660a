// Brings the views of a page to life without a kernel. A place for a view is <div class="lwlr-live" data-view="surface"
// data-state="address">; its picture stays where anything fails. Places of one address show one view.
import { begin, calibrated, kernelOf } from "./kernel.js";

const VIEWS = new URL("../../lwlr_teach/views/", import.meta.url);
const REST_MS = 4000;
const NEAR = "800px 0px"; // so far from the window a view is put on the page

/** @type {Map<string, Promise<ArrayBuffer>>} */
const files = new Map(); // that were fetched: views of the same data share one

// What is in a file, all of which are compressed.
/** @param {string} address */
function fetched(address) {
  const unpacked = async () => {
    const answer = await fetch(address);
    if (!answer.ok || !answer.body) throw new Error(`${address}: ${answer.status}`);
    return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  };
  const known = files.get(address) ?? unpacked();
  files.set(address, known);
  return known;
}

// The state of a view: traits in one file, and those that are bytes in another. `answer` reads what Python would send at a
// choice.
/** @param {string} address */
async function read(address) {
  const { traits, bytes, file, answers = {} } = JSON.parse(new TextDecoder().decode(await fetched(address)));
  /** @param {string} name */
  const beside = (name) => new URL(name, new URL(address, location.href)).href;
  const data = file ? await fetched(beside(file)) : new ArrayBuffer(0);
  for (const [name, [from, length, way]] of Object.entries(bytes)) traits[name] = unfolded(new Uint8Array(data, from, length), way);
  /** @param {string} choice */
  const answer = async (choice) => (await read(beside(answers[choice]))).traits;
  return { traits, answer };
}

// Bytes as they were: all first bytes of numbers `way` bytes long came first, then all second ones; of those of two bytes
// the differences.
/**
 * @param {Uint8Array} sent
 * @param {number} way
 */
function unfolded(sent, way) {
  const n = sent.length / way;
  const all = new DataView(new ArrayBuffer(sent.length));
  for (let i = 0; i < n; i++) for (let k = 0; k < way; k++) all.setUint8(way * i + k, sent[k * n + i]);
  if (way === 2) for (let i = 1; i < n; i++) all.setUint16(2 * i, all.getUint16(2 * i, true) + all.getUint16(2 * i - 2, true), true);
  return all;
}

// What anywidget hands to a view: a change is told to all who show it, and with `save_changes` to what stands in for Python.
/** @param {Record<string, any>} state */
function modelOf(state) {
  /** @type {Map<string, Set<() => void>>} */
  const heard = new Map();
  const set = (name, value) => {
    if (state[name] === value) return;
    state[name] = value;
    for (const callback of heard.get(`change:${name}`) ?? []) callback();
  };
  return {
    get: (name) => state[name],
    set,
    save_changes() {
      this.saved?.();
    },
    on: (event, callback) => void heard.set(event, (heard.get(event) ?? new Set()).add(callback)),
    off: (event, callback) => void heard.get(event)?.delete(callback),
    send() {},
    /** @type {(() => void) | null} what stands in for Python hears that something was saved */
    saved: null,
  };
}

/** @type {Map<string, Promise<ReturnType<typeof modelOf> & Kernel>>} */
const models = new Map();

// The view's model, with what its kernel would do.
/** @param {HTMLElement} place */
function modelAt({ dataset: { state = "", view = "", lesson = "" } }) {
  const known = models.get(state) ?? read(state).then(({ traits, answer }) => {
    const model = modelOf(traits);
    return Object.assign(model, kernelOf(view, model, traits, lesson, answer));
  });
  models.set(state, known);
  return known;
}

// The picture of a place that will come to life need not be fetched, unless it is there already.
/** @param {HTMLElement} place */
function rest(place) {
  const still = place.querySelector("img");
  if (!still || still.complete) return;
  still.dataset.src = still.src;
  still.removeAttribute("src");
}

/** @param {HTMLElement} place */
function wake(place) {
  const still = place.querySelector("img");
  if (!still?.dataset.src || still.src) return;
  still.loading = "eager";
  still.src = still.dataset.src;
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
    wake(place);
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

// What is wider than the page can be scrolled with the keyboard, too.
function reachable() {
  /** @type {NodeListOf<HTMLElement>} */
  const wide = document.querySelectorAll("div.math, .lwlr-columns");
  for (const part of wide) part.tabIndex = part.scrollWidth > part.clientWidth ? 0 : -1;
}

follow();
reachable();
addEventListener("resize", reachable);
const lesson = /** @type {HTMLElement | null} */ (document.querySelector(".lwlr-live[data-lesson]"))?.dataset.lesson;
if (lesson) begin(lesson);
for (const said of document.querySelectorAll(".lwlr-calibration")) said.textContent = calibrated();
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
/** @type {NodeListOf<HTMLElement>} */
const all = document.querySelectorAll(".lwlr-live");
for (const place of all) {
  rest(place);
  watch.observe(place);
}
// Paper is light. What was drawn for the dark is not drawn anew in time: there the still picture is printed.
const { dataset, classList } = document.documentElement;
addEventListener("beforeprint", () => {
  if (classList.toggle("lwlr-was-dark", dataset.theme === "dark")) dataset.theme = "light";
});
addEventListener("afterprint", () => {
  if (classList.contains("lwlr-was-dark")) dataset.theme = "dark";
});
// Who prints has not seen all of the page, and a printer waits for no picture: all are fetched when the page has come to rest.
setTimeout(() => all.forEach(wake), REST_MS);
