// Where a run with each of some forty rates is at the present step, from the present start.
const STRIP = 41; // rates
const TIME = 8; // milliseconds of a frame; what is not done then is done in the next one

// Gives, for a method and the state, the losses at the rates of these numbers, Infinity for a run that is lost. Rates
// that there was no time for keep the loss that they had, and `again()` asks for another frame.
/**
 * @param {{ steps: number, methods: unknown[], values: Record<string, number[]>, labels: Record<string, string[]> }} plan
 * @param {Paths} paths
 * @param {() => void} again
 */
export function sweptRates({ steps, methods, values }, paths, again) {
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
      const { diverged, loss } = paths(m, { ...now, lr_index: rates[k] }, now.start);
      for (let i = 0; i <= steps; i++) own.losses[i] = diverged >= 0 && i >= diverged ? Infinity : loss(i);
      own.key = key;
    }
    return kept[m.i].map((own) => own.losses[now.step]);
  };
  return { rates, losses, deadline: () => performance.now() + TIME };
}
