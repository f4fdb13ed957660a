// What a prediction says where no kernel says it: the words of view.py, and those on how well a learner knows what they
// know, of lwlr_teach/teaching/predictions.py. Pure functions, tested with Node against Python.
import { label, percent, short } from "../kit/text.js";

export const OFTEN = 5; // after so many more predictions a calibration is worth telling

// The question, what was guessed and what was measured, as far as they are known.
/** @param {Asked} asked */
export function describe(asked) {
  const { plan, guess, locked, truth, why } = asked;
  if (!truth.length) {
    return `${plan.question} ${locked && guess.length ? `Locked: ${sureInWords(asked)}.` : "Not answered yet."}`;
  }
  const right = isRight(asked);
  const mark = right === null ? "" : right ? "✔ " : "✘ ";
  return `${plan.question} ${mark}${compared(asked)} ${why}`.trimEnd();
}

// Whether the locked guess is near enough; null while guess or truth is missing.
/** @param {Asked} asked */
export function isRight({ plan, guess, locked, truth }) {
  if (!(locked && guess.length && truth.length)) return null;
  if (plan.kind === "choice") return guess[0] === truth[0];
  if (plan.kind === "curve") return average(plan, guess, truth) <= plan.within;
  const [said, is] = [plan.values[guess[0]], truth[0]];
  if (plan.log) return is > 0 && Math.max(said / is, is / said) <= plan.within;
  return Math.abs(said - is) <= plan.within;
}

/** @param {Asked} asked */
function compared(asked) {
  const { plan, guess, truth } = asked;
  if (isRight(asked) === null) return `No guess was locked; ${truthInWords(plan, truth)}.`;
  return `You said ${sureInWords(asked)}; ${truthInWords(plan, truth)}${judged(plan, guess, truth)}.`;
}

/** @param {Asked} asked */
const sureInWords = ({ plan, guess, confidence }) =>
  `${plan.kind === "curve" ? "a curve" : option(plan, guess)}, ${confidence}% sure`;

const option = ({ kind, labels }, chosen) => (kind === "choice" ? `“${labels[chosen[0]]}”` : labels[chosen[0]]);

// How far a number or a curve is away, and how far would still do.
function judged(plan, guess, truth) {
  if (plan.kind === "number") {
    const off = plan.log ? `a factor of ${label(plan.within)}` : `${label(plan.within)}${plan.unit}`;
    return ` (${off} off counts as right)`;
  }
  if (plan.kind !== "curve") return "";
  const what = plan.x.title ?? "x";
  const part = plan.over.length ? ` from ${what} ${label(plan.over[0])} to ${label(plan.over[1])}` : "";
  const furthest = apart(plan, guess, truth).reduce((most, each) => (each.away > most.away ? each : most));
  return `. Yours is ${distance(plan, average(plan, guess, truth))} away on average${part} ` +
    `(${distance(plan, plan.within)} counts as right), and furthest at ${what} ${label(what === "step" ? Math.round(furthest.x) : furthest.x)}`;
}

// How far guess and truth are apart where they are judged: at each x, as shares of the axis.
function apart({ x, columns, over }, guess, truth) {
  const [low, high] = x.range;
  const at = (i) => (i === columns - 1 ? high : i * ((high - low) / (columns - 1)) + low);
  const [first, last] = over.length ? over : x.range;
  return guess.map((share, i) => ({ x: at(i), away: Math.abs(share - truth[i]) }))
    .filter((each) => first <= each.x && each.x <= last);
}

function average(plan, guess, truth) {
  const all = apart(plan, guess, truth);
  return all.reduce((sum, { away }) => sum + away, 0) / all.length;
}

// A share of the vertical axis as what it means there: a difference, or a factor.
function distance({ y }, share) {
  const [low, high] = y.range;
  return y.log ? `a factor of ${short((high / low) ** share)}` : short(share * (high - low));
}

function truthInWords(plan, truth) {
  if (plan.kind === "choice") return `measured: ${option(plan, truth)}`;
  if (plan.kind === "number") return `it is ${label(truth[0])}${plan.unit}`;
  const [low, high] = plan.y.range;
  const height = (share) => label(plan.y.log ? low * (high / low) ** share : low + share * (high - low));
  const [first, last] = [truth[0], truth[truth.length - 1]].map(height);
  return `the measured curve goes from ${first} to ${last}, at most ${height(Math.max(...truth))}`;
}

// How often guesses were right and how sure the learner was; each is a `confidence` in percent, and whether it was right.
/** @param {{ confidence: number, right: boolean }[]} counted */
export function calibration(counted) {
  const n = counted.length;
  if (!n) return "No prediction has been compared with a result yet.";
  const mean = (of) => counted.reduce((sum, { confidence, right }) => sum + of(confidence / 100, Number(right)), 0) / n;
  const [sure, right, brier] = [mean((c) => c), mean((_, hit) => hit), mean((c, hit) => (c - hit) ** 2)];
  const verdict = Math.abs(sure - right) <= 0.1 ? "about as sure as right" : sure > right ? "surer than right" : "too modest";
  return `${n} prediction${n === 1 ? "" : "s"}: ${percent(right)} right, ${percent(sure)} sure on average (${verdict}); ` +
    `Brier score ${brier.toFixed(2)} (0 is perfect, 0.25 is what always saying 50% gets).`;
}
