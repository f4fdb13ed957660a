// Where things lie in a plot: pure functions, tested with Node.

// A plot's inner rectangle and the mapping from data to pixels. An axis may bring its own scale as `warp`, a function
// that says how far along a value stands. In a narrow column the margins may leave no room.
/**
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @param {Axis} x
 * @param {Axis} y
 * @returns {Frame}
 */
export function frame(left, top, width, height, x, y) {
  [width, height] = [Math.max(2, width), Math.max(2, height)];
  /** @type {(axis: Axis, from: number, length: number) => (value: number) => number} */
  const scale = ({ range: [low, high], log, warp }, from, length) => {
    const at = warp ?? (log ? Math.log10 : (v) => v);
    const [a, b] = [at(low), at(high)];
    return (v) => from + ((at(v) - a) / (b - a)) * length;
  };
  const px = scale(x, left, width);
  const py = scale(y, top + height, -height);
  return { left, top, width, height, right: left + width, bottom: top + height, x, y, px, py };
}

// An axis may bring its own places as `at`, with `labels` for them.
/**
 * @param {Axis} axis
 * @param {number} most
 */
export function ticks({ range: [low, high], log, at }, most) {
  if (at) return at;
  if (log) {
    const [a, b] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const stride = Math.max(1, Math.ceil((b - a + 1) / most));
    const found = [];
    // From a multiple of the stride, if there are two of them.
    const first = Math.ceil(a / stride) * stride;
    for (let e = first + stride <= b ? first : a; e <= b; e += stride) found.push(10 ** e);
    if (found.length > 1) return found;
    // A short axis, where powers of ten are too far apart.
    for (let e = a - 1; e <= b + 1; e++) found.push(...[2, 5].map((m) => m * 10 ** e));
    return found.filter((v) => v >= low && v <= high).sort((v, w) => v - w);
  }
  const rough = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const stride = [1, 2, 5].map((m) => m * unit).find((s) => s >= rough * 0.999) ?? 10 * unit;
  const found = [];
  for (let k = Math.ceil(low / stride - 1e-9); k * stride <= high + 1e-9 * stride; k++) found.push(k * stride);
  return found;
}
