import { meanLosses } from "./paths.js";

// Where a run with each of some forty rates is at the present step, from the present start.
const STRIP = 41; // rates
const TIME = 8; // milliseconds of a frame; what is not done then is done in the next one

// Gives, for a method and the state, the losses at the rates of these numbers, the mean of all walkers, Infinity where
// one is lost. Rates that there was no time for keep the loss that they had, and `again()` asks for another frame.
/**
 * @param {any} plan
 * @param {Paths} paths
 * @param {() => void} again
 */
export function sweptRates(plan, paths, again) {
  const { steps, methods, values } = plan;
  const mean = meanLosses(plan, paths);
  const every = Math.ceil(values.lr.length / STRIP);
  const rates = values.lr.map((_, j) => j).filter((j) => j % every === 0);
  // Every eighth rate first, so that the shape is there at once.
  const order = [...rates.keys()].sort((a, b) => (a % 8) - (b % 8) || a - b);
  const kept = methods.map(() => rates.map(() => ({ key: "", losses: new Float64Array(steps + 1).fill(NaN) })));
  const losses = (m, now, until) => {
    const key = JSON.stringify([now.surface, now.clip, now.schedule, now.more, now.momentum_index, now.limit_index, now.start]);
    for (const k of order) {
      const own = kept[m.i][k];
      if (own.key === key) continue;
      if (performance.now() > until) {
        again();
        break;
      }
      own.losses.set(mean(m, { ...now, lr_index: rates[k] }, now.start));
      own.key = key;
    }
    return kept[m.i].map((own) => own.losses[now.step]);
  };
  return { rates, losses, deadline: () => performance.now() + TIME };
}
