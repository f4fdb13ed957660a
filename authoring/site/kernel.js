// What stands in for Python on a page: it judges predictions, and keeps in this browser what a learner has done.
import { OFTEN, calibration, describe, isRight } from "../../lwlr_teach/views/prediction/words.js";

const KEY = "lwlr-teach";

// Everything noted so far, in the parts that the file of progress has. A browser that keeps nothing forgets it.
function record() {
  const empty = { lessons: {}, predictions: {}, explanations: {}, recall: {}, help: {} };
  try {
    return { ...empty, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return empty;
  }
}

// Keeps a change, or has the view say that it is not kept: a browser may allow a page nothing, or be full.
/**
 * @param {any} model
 * @param {(record: any) => void} change
 */
function note(model, change) {
  const all = record();
  change(all);
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
    model?.set("fault", "");
  } catch {
    model?.set("fault", "This browser keeps nothing of this page: what you do here is gone when you leave it.");
  }
}

// The predictions that were judged: their guess was locked before the answer was shown.
const counted = () => Object.values(record().predictions).filter((kept) => "right" in kept);

// How well somebody knows what they know, by what was kept here.
export const calibrated = () => calibration(counted());

// Gives a model what Python would do for it, by the name of its view. Others need nothing.
/**
 * @param {string} view
 * @param {any} model
 * @param {Record<string, any>} traits
 * @param {string} lesson
 * @param {(choice: string) => Promise<Record<string, any>>} answer what was computed for a choice when the page was made
 * @returns {Kernel}
 */
export function kernelOf(view, model, traits, lesson, answer) {
  const own = { prediction, recall, explain, help, course, splits, schedules }[view];
  return own ? own(model, traits, lesson, answer) ?? {} : {};
}

// Whether a question takes a guess that was kept: the lesson may have changed since.
const fits = ({ kind, columns, labels }, guess) =>
  kind === "curve" ? guess.length === columns : guess.length === 1 && guess[0] < labels.length;

// The state in the file is that after the lesson: what was measured is in it, and is shown by `reveal` alone.
function prediction(model, traits, lesson) {
  const answer = { truth: traits.truth, why: traits.why };
  const name = `${lesson}: ${traits.plan.question}`;
  const all = record().predictions;
  const kept = all[name]?.guess && !fits(traits.plan, all[name].guess) ? {} : all[name] ?? {};
  Object.assign(traits, { truth: [], why: "", guess: kept.guess ?? [], locked: "guess" in kept });
  if (kept.confidence) traits.confidence = kept.confidence;
  const judged = () => isRight(/** @type {Asked} */ (traits));
  const say = (more = "") => model.set("words", describe(/** @type {Asked} */ (traits)) + more);
  const keep = (more) => note(model, ({ predictions }) => (predictions[name] = { ...predictions[name], ...more }));
  const reveal = () => {
    if (traits.truth.length || !answer.truth.length) return;
    model.set("why", answer.why);
    model.set("truth", answer.truth);
    const [right, before] = [judged(), counted().length];
    keep(right === null || record().predictions[name]?.late ? { late: true } : { told: true, right });
    const known = counted();
    say(known.length > before && known.length % OFTEN === 0 ? ` So far, ${calibration(known)}` : "");
  };
  say();
  model.on("change:locked", () => { // before anybody else hears of it, and shows what was measured
    keep({ guess: traits.guess, confidence: traits.confidence });
    say();
  });
  return { reveal, wasTold: Boolean(kept.told) };
}

function recall(model, traits, lesson) {
  const { questions } = traits.plan;
  const names = questions.map(({ asks }) => `${lesson}: ${asks}`);
  const say = () => {
    const done = questions.filter((_, i) => traits.answers[i] >= 0).length;
    const right = questions.filter((question, i) => question.right === traits.answers[i]).length;
    const asked = questions.map(({ asks }, i) => `${i + 1}. ${asks}`).join(" ");
    model.set("words", `Recall: ${asked} ${done ? `${right} of ${done} answered right.` : "Not answered yet."}`);
  };
  const kept = record().recall;
  traits.answers = names.map((name) => kept[name] ?? -1);
  say();
  model.saved = () => {
    note(model, (all) => names.forEach((name, i) => traits.answers[i] >= 0 && (all.recall[name] = traits.answers[i])));
    say();
  };
}

function explain(model, traits, lesson) {
  const name = `${lesson}: ${traits.plan.asks}`;
  traits.said = record().explanations[name] ?? "";
  model.saved = () => note(model, ({ explanations }) => (explanations[name] = traits.said));
}

function help(model, traits, lesson) {
  const name = `${lesson}: ${traits.plan.solution}`;
  traits.hints = Math.min(record().help[name] ?? 0, traits.plan.hints.length);
  model.saved = () => note(model, ({ help: all }) => (all[name] = traits.hints));
}

// Another network was computed with the page, and comes when it is chosen.
function splits(model, traits, lesson, answer) {
  const chosen = () => ["layers", "dynamics", "start", "width"].map((name) => traits[name]).join();
  let asked = chosen();
  model.saved = async () => {
    if (chosen() === asked) return;
    const choice = (asked = chosen());
    const { table, ...numbers } = await answer(choice);
    if (choice !== asked) return; // another was chosen meanwhile
    Object.entries(numbers).forEach(([name, value]) => model.set(name, value));
    model.set("table", table); // which is drawn, of these numbers
  };
}

// A schedule that is drawn is trained, which takes Python: here there is no pad, and the page says where there is one.
function schedules(model, traits) {
  const families = traits.plan.families.filter(({ drawn }) => !drawn);
  traits.plan = { ...traits.plan, families, pad: false };
}

// The map of the course, with what was done in this browser. Exercises need Python, and none is counted here.
function course(model, traits) {
  const { lessons, predictions } = record();
  const parts = traits.plan.parts.map(({ title, lessons: rows }) => ({
    title,
    lessons: rows.map((row) => {
      const locked = Object.entries(predictions).filter(([name, kept]) => name.startsWith(`${row.name}: `) && "guess" in kept);
      const begun = row.name in lessons || locked.length > 0;
      return { ...row, href: `./${row.name}.html`, exercises: 0, predictions: locked.length, state: begun ? "begun" : row.state };
    }),
  }));
  traits.plan = { parts, summary: traits.plan.summary.replace(calibration([]), calibration(counted())) };
}

// Notes that a lesson was opened.
/** @param {string} lesson */
export const begin = (lesson) => note(null, ({ lessons }) => (lessons[lesson] = { opened: (lessons[lesson]?.opened ?? 0) + 1 }));
