// What tests/browser/test_access.py asks a page that shows one view.

const rest = async (frames = 3) => {
  for (let i = 0; i < frames; i++) await new Promise((done) => requestAnimationFrame(done));
};

// --- contrast, as WCAG 2.2 has it ---

const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
// Red, green, blue and alpha of any colour that CSS can write.
const numbers = (colour) => {
  const ctx = new OffscreenCanvas(1, 1).getContext("2d");
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = ctx.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
const forced = () => matchMedia("(forced-colors: active)").matches;
// The ground of an element: of itself, or of what it stands in.
const ground = (element) => {
  const behind = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
  return over(numbers(getComputedStyle(element).backgroundColor), behind);
};
const paper = () => (forced() ? numbers("Canvas") : ground(document.body));
const contrast = (ink, on) => {
  const [dark, bright] = [light(over(ink, on)), light(on)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};

// --- the words in pictures: their contrast to what is the most of their ground, and whether an edge cuts them off ---

/** @type {object[] | null} */
let texts = null;
for (const { prototype } of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
  const draw = prototype.fillText;
  prototype.fillText = function (text, x, y, most = Infinity) {
    if (texts && text.trim()) texts.push(looked(this, text, x, y, most));
    draw.call(this, text, x, y, ...(most === Infinity ? [] : [most]));
  };
}

function looked(ctx, text, x, y, most) {
  const m = ctx.measureText(text);
  const narrow = Math.min(1, most / m.width);
  const turned = ctx.getTransform();
  const corners = [[-m.actualBoundingBoxLeft, -m.actualBoundingBoxAscent], [m.actualBoundingBoxRight, m.actualBoundingBoxDescent]]
    .map(([across, down]) => new DOMPoint(x + narrow * across, y + down).matrixTransform(turned));
  const [left, right] = corners.map((p) => p.x).sort((a, b) => a - b);
  const [top, bottom] = corners.map((p) => p.y).sort((a, b) => a - b);
  const { data } = ctx.getImageData(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
  const found = new Map();
  for (let i = 0; i < data.length; i += 4) {
    const key = data.slice(i, i + 4).join();
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  const [r, g, b, a] = [...found].sort((p, q) => q[1] - p[1])[0][0].split(",").map(Number);
  const on = over([r, g, b, a / 255], paper());
  const [R, G, B, A] = numbers(ctx.fillStyle);
  const edge = 1.5 * window.devicePixelRatio;
  const cut = left < -edge || top < -edge || right > ctx.canvas.width + edge || bottom > ctx.canvas.height + edge;
  return { text, contrast: contrast([R, G, B, A * ctx.globalAlpha], on), cut };
}

const words = async () => {
  texts = [];
  window.dispatchEvent(new Event("resize")); // draws once more
  await rest();
  const drawn = texts;
  texts = null;
  return drawn;
};

// The pictures in which all is of one colour.
const empty = () => [...document.querySelectorAll("main canvas")].filter((c) => c.clientWidth && c.clientHeight).filter((c) => {
  const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  return data.every((v, i) => v === data[i % 4]);
}).map((c) => c.className);

// --- what is cut off ---

// What sticks out of the page or of what hides the rest of it; a table of numbers and a program may be scrolled.
const cut = () => [...document.querySelectorAll("main *")].filter((e) => {
  if (!e.getClientRects().length || e.closest(".lwlr-table, pre, textarea, .lwlr-heard, select")) return false;
  const [box, page] = [e, document.querySelector("main")].map((one) => one.getBoundingClientRect());
  const { overflowX, overflowY } = getComputedStyle(e);
  const hides = e.tagName !== "INPUT" && e.tagName !== "CANVAS" && ((overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1)
    || (overflowY !== "visible" && e.scrollHeight > e.clientHeight + 1));
  return hides || box.right > page.right + 1 || box.left < page.left - 1;
}).map(named);

// --- the keyboard ---

const CONTROLS = "main :is(a[href], button, input, select, textarea, [tabindex])";
const there = (e) => e.tabIndex >= 0 && e.getClientRects().length > 0 && !e.matches(":disabled");
const radios = (e) => [...document.getElementsByName(e.name)];
// Of radio buttons, one is reached: that which is chosen, or the first.
const reached = (e) => e.type !== "radio" || (radios(e).some((r) => r.checked) ? e.checked : e === radios(e)[0]);

const named = (e) => `${e.tagName} ${e.dataset.name ?? e.dataset.method ?? e.className}`;

// All controls, each with its number, and those that the Tab key should reach, in their order.
const controls = () => [...document.querySelectorAll(CONTROLS)].filter(there).map((e, i) => {
  e.dataset.number = String(i);
  return { number: i, is: e.type ?? e.tagName.toLowerCase(), tag: e.tagName, name: named(e) };
});
const stops = () => [...document.querySelectorAll(CONTROLS)].filter(there).filter(reached).map(named);

// A button before the view and one behind it.
const enclose = () => {
  for (const [id, put] of [["before", "prepend"], ["behind", "append"]]) {
    document.body[put](Object.assign(document.createElement("button"), { id, textContent: id }));
  }
  document.getElementById("before").focus();
};

// What has the keyboard, and what is wrong with how that is shown.
const focused = () => {
  const e = document.activeElement;
  if (e.id) return { name: e.id, wrong: [] };
  const { outlineStyle, outlineWidth, outlineColor, outlineOffset } = getComputedStyle(e);
  const around = parseFloat(outlineWidth) + parseFloat(outlineOffset);
  const wrong = [];
  if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) wrong.push("no outline");
  if (!forced() && contrast(numbers(outlineColor), ground(e.parentElement)) < 3) wrong.push("a pale outline");
  const box = e.getBoundingClientRect();
  for (let outer = e.parentElement; outer !== document.body; outer = outer.parentElement) {
    if (getComputedStyle(outer).overflow === "visible") continue;
    const frame = outer.getBoundingClientRect();
    if (box.left - around < frame.left - 0.5 || box.right + around > frame.right + 0.5) wrong.push(`cut off by ${named(outer)}`);
  }
  return { name: named(e), wrong };
};

// --- what changes in the state ---

let began = {};
const own = () => Object.keys(window.state.plan?.start ?? window.state).filter((name) => !["plan", "words", "fault"].includes(name));
const flat = (value, name) => {
  const parts = value && typeof value === "object" && (!Array.isArray(value) || (value.length < 9 && value.every(Number.isFinite)));
  return parts ? Object.entries(value).flatMap(([key, part]) => flat(part, `${name}.${key}`)) : [[name, JSON.stringify(value)]];
};
const state = () => Object.fromEntries(own().flatMap((name) => flat(window.state[name], name)));
const begin = () => (began = state());
// The parts of the state that are not as they were at the beginning.
const changed = () => {
  const now = state();
  return [...new Set([...Object.keys(now), ...Object.keys(began)])].filter((name) => now[name] !== began[name]);
};

window.access = { rest, words, empty, cut, controls, stops, enclose, focused, begin, changed };
