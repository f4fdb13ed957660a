// Where the paths come from: the browser runs the rules, or Python has run them at every position of the sliders. Both
// give, for a method, the state and a start, {x(i), y(i), loss(i), diverged}: the point after step i, the loss above the
// minimum there, and the step from which on the run is lost, or −1.
import { typed } from "../kit/canvas.js";
import { run } from "../kit/run.js";

// A method is run anew when something that it reads has changed.
/**
 * @param {Programs} programs
 * @param {any} plan
 * @param {Float64Array} draws
 * @returns {Paths}
 */
export function livePaths(programs, plan, draws) {
  const { steps, methods, values, free, surfaces, schedules } = plan;
  const points = steps + 1;
  const winds = Array.from({ length: plan.walkers }, (_, k) => draws.subarray(2 * steps * k, 2 * steps * (k + 1)));
  const kept = methods.map(() => ({
    key: "", path: new Float64Array(2 * points), losses: new Float64Array(points), diverged: -1,
  }));
  return (m, now, start) => {
    const { surface, clip, schedule, more } = now;
    const at = (name) => values[name][now[`${name}_index`] ?? more[name]];
    const settings = Object.fromEntries(free[clip][m.i].map((name) => [name, at(name)]));
    const noise = values.noise ? at("noise") : surfaces[surface].noise;
    const own = kept[m.i];
    const key = [surface, clip, schedule, noise, now.wind, start, Object.values(settings)].join();
    if (own.key !== key) {
      const setup = { settings, start, ...schedules[schedule], draws: noise ? winds[now.wind] : null, noise };
      run(programs.methods[clip][m.i], programs.surfaces[surface], setup, own.path, own.losses);
      Object.assign(own, { key, diverged: leftForGood(own.path, plan, surfaces[surface].bounds) });
    }
    const { path, losses, diverged } = own;
    const { lowest } = surfaces[surface];
    return { x: (i) => path[2 * i], y: (i) => path[2 * i + 1], loss: (i) => Math.max(0, losses[i] - lowest), diverged };
  };
}

// The step from which on a path stays outside `escape` times the map, or −1.
/**
 * @param {Float64Array} path
 * @param {any} plan
 * @param {number[][]} bounds
 */
function leftForGood(path, { steps, escape }, bounds) {
  const inside = (i) => bounds.every(([low, high], axis) =>
    Math.abs(path[2 * i + axis] - (low + high) / 2) <= (escape * (high - low)) / 2);
  let last = steps;
  while (last >= 0 && !inside(last)) last--;
  return last === steps ? -1 : last + 1;
}

// Gives, for a method, the state and a start, the mean loss of all walkers at each step: Infinity once one is lost.
// `paths` are run for nothing else.
/**
 * @param {any} plan
 * @param {Paths} paths
 * @returns {(m: { i: number }, now: Record<string, any>, start: number[]) => Float64Array}
 */
export function meanLosses({ steps, walkers, methods }, paths) {
  const kept = methods.map(() => ({ key: "", mean: new Float64Array(steps + 1) }));
  return (m, now, start) => {
    const own = kept[m.i];
    const key = JSON.stringify([now.surface, now.clip, now.schedule, now.more, now.lr_index, now.momentum_index, now.limit_index, start]);
    if (own.key === key) return own.mean;
    own.mean.fill(0);
    for (let wind = 0; wind < walkers; wind++) {
      const { diverged, loss } = paths(m, { ...now, wind }, start);
      for (let i = 0; i <= steps; i++) own.mean[i] += diverged >= 0 && i >= diverged ? Infinity : loss(i) / walkers;
    }
    own.key = key;
    return own.mean;
  };
}

// Paths are sent in parts of a window around the map; a run where a method's own sliders stand, one after the other.
/**
 * @param {any} plan
 * @param {Model} model
 * @returns {Paths}
 */
export function sentPaths({ steps, runs, window }, model) {
  const points = typed(Uint16Array, model.get("paths"));
  const losses = typed(Float32Array, model.get("losses"));
  const events = typed(Int32Array, model.get("diverged"));
  return (m, now) => {
    const { first, momenta, limits } = runs[m.i];
    const momentum = now.lr_index * momenta + (momenta > 1 ? now.momentum_index : 0);
    const at = first + momentum * limits + (limits > 1 ? now.limit_index : 0);
    const from = at * (steps + 1);
    const [x, y] = window.map(([low, high], axis) => (i) => low + (points[2 * (from + i) + axis] / 65535) * (high - low));
    return { x, y, loss: (i) => losses[from + i], diverged: events[at] };
  };
}
