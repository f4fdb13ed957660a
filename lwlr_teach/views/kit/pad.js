// A pad on which a curve is drawn: with the mouse, a pen or a finger, or with the arrow keys.
import { line } from "./canvas.js";
import { OWN_KEYS } from "./controls.js";
import { dragged } from "./pointer.js";

// The curve has one height a column, a share of the frame's. `heights` says what was drawn so far (or an empty
// list), `change` takes the new heights, `release` is told when the pen or the key is lifted. `frameOf(width,
// height)` is the frame on a canvas of that size, and `open` says whether one may draw now. Returns a function
// that draws where the keys write, for the time that the pad has the focus.
/**
 * @param {HTMLCanvasElement} canvas
 * @param {{ columns: number, frameOf: (width: number, height: number) => Frame, open: () => boolean, heights: () => number[],
 *   change: (heights: number[]) => void, release: (event: Event) => void, redraw: () => void }} does
 * @returns {(ctx: Context, f: Frame, colours: Colours) => void}
 */
export function pad(canvas, { columns, frameOf, open, heights, change, release, redraw }) {
  const clamp = (v) => Math.min(1, Math.max(0, v));
  let cursor = 0;
  let [first, last] = [0, columns - 1]; // between them the curve was drawn

  // From where the pen was to where it is. What was not drawn yet goes on level from the ends of what was.
  function drawTo(column, value) {
    const before = heights();
    const curve = before.length ? [...before] : Array(columns).fill(value);
    const from = before.length ? cursor : column;
    if (!before.length) first = last = column;
    const start = curve[from];
    const steps = Math.max(1, Math.abs(column - from));
    for (let k = 1; k <= steps; k++) {
      curve[from + Math.round(((column - from) * k) / steps)] = start + ((value - start) * k) / steps;
    }
    [first, last] = [Math.min(first, from, column), Math.max(last, from, column)];
    curve.fill(curve[first], 0, first);
    curve.fill(curve[last], last + 1);
    cursor = column;
    change(curve);
  }

  function place(left, top) {
    const f = frameOf(canvas.clientWidth, canvas.clientHeight);
    const column = Math.round(clamp((left - f.left) / f.width) * (columns - 1));
    return { column, value: clamp((f.bottom - top) / f.height) };
  }

  canvas.tabIndex = 0;
  for (const [name, value] of Object.entries(OWN_KEYS)) canvas.setAttribute(name, value);
  let drawing = false;
  dragged(canvas, (left, top, begins) => {
    if (begins) drawing = open();
    if (!drawing) return;
    const { column, value } = place(left, top);
    if (begins) {
      cursor = column;
      canvas.focus();
    }
    drawTo(column, value);
  }, (event) => {
    if (drawing) release(event);
    drawing = false;
  });
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.03], ArrowDown: [0, -0.03] };
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || !open()) return;
    event.preventDefault();
    const before = heights();
    const height = before.length ? before[cursor] : 0.5;
    const column = Math.min(columns - 1, Math.max(0, cursor + move[0]));
    if (move[0] && !before.length) cursor = column;
    else drawTo(column, clamp(height + move[1]));
    redraw();
  });
  canvas.addEventListener("keyup", release);
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);

  return (ctx, f, colours) => {
    if (!open() || document.activeElement !== canvas) return;
    const at = f.left + (cursor / (columns - 1)) * f.width;
    Object.assign(ctx, { strokeStyle: colours.text, lineWidth: 1 });
    line(ctx, at, f.top, at, f.bottom);
  };
}
