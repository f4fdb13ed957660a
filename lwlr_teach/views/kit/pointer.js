// The pointer on a canvas, pressed and moved.

// Where the pointer is, in pixels of the canvas: a page that is zoomed, or a slide, shows them larger or smaller.
/**
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
export function placeOn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const larger = box.width / canvas.offsetWidth;
  return [(event.clientX - box.left) / larger, (event.clientY - box.top) / larger];
}

// Tells `at(left, top, begins)` every place where the pointer is pressed and to which it is drawn, in pixels of the
// canvas and also beyond its edges; and `done(event)` when it is lifted.
/**
 * @param {HTMLCanvasElement} canvas
 * @param {(left: number, top: number, begins: boolean) => void} at
 * @param {(event: Event) => void} done
 */
export function dragged(canvas, at, done) {
  const tell = (event, begins) => {
    const [left, top] = placeOn(canvas, event);
    at(left, top, begins);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    tell(event, true);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) tell(event, false);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, done);
}
