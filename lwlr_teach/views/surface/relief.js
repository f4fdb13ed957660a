// A surface as heights over a part of its map, for the shade: logarithmic, so that a valley's floor shows beside its
// walls. relief.py is its twin.
const TOP = 1e30; // a loss beyond this is drawn as one that is lost

// Heights from 0 to 65535, the first row at the bottom.
/**
 * @param {(p: Float64Array, g: Float64Array) => number} surface
 * @param {number} lowest
 * @param {number[][]} bounds
 * @param {{ columns: number, rows: number }} grid
 */
export function heightsOf(surface, lowest, [[x0, x1], [y0, y1]], { columns, rows }) {
  const gaps = new Float64Array(columns * rows);
  const [p, g] = [new Float64Array(2), new Float64Array(2)];
  for (let k = 0; k < gaps.length; k++) {
    p[0] = x0 + ((k % columns) / (columns - 1)) * (x1 - x0);
    p[1] = y0 + (Math.floor(k / columns) / (rows - 1)) * (y1 - y0);
    const gap = surface(p, g) - lowest;
    gaps[k] = gap < TOP ? Math.max(0, gap) : Infinity;
  }
  const most = gaps.reduce((top, gap) => (gap < Infinity ? Math.max(top, gap) : top), 1e-300);
  const softened = gaps.map((gap) => Math.log1p((Math.min(gap, most) / most) * 1000));
  const highest = softened.reduce((top, height) => Math.max(top, height), 1e-300);
  return Uint16Array.from(softened, (height) => Math.round((height / highest) * 65535));
}
