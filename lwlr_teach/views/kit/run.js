// Runs of an optimizer on a surface, computed here: the programs are Python's rules, written out by
// `lwlr_teach.optim.to_javascript` and `Surface.to_javascript`. Nothing here knows a formula.

// Writes the points of a run [x0, y0, x1, y1, …] into `path` and the losses there into `losses`, which is as long as
// there are points. `factors` multiply the rate and `momenta` set the momentum, a number for each step; `draws` are the
// noise of each step's gradient, as many numbers as a point has, in units of `noise`.
/**
 * @param {Program} program
 * @param {(p: Float64Array, g: Float64Array) => number} surface
 * @param {Setup} setup
 * @param {Float64Array} path
 * @param {Float64Array} losses
 */
export function run(program, surface, setup, path, losses) {
  const { settings, start, factors, momenta, draws, noise = 1 } = setup;
  const h = { ...settings };
  const p = Float64Array.from(start);
  const g = new Float64Array(p.length);
  const s = new Float64Array(program.size);
  for (let taken = 0; taken < losses.length; taken++) {
    path.set(p, taken * p.length);
    losses[taken] = surface(p, g);
    if (draws) for (let i = 0; i < g.length; i++) g[i] += noise * draws[taken * g.length + i];
    if (factors) h.lr = settings.lr * factors[taken];
    if (momenta) h.momentum = momenta[taken];
    if (taken + 1 < losses.length) program.step(p, g, s, h, taken + 1);
  }
}
