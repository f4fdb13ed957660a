// The recall view: each question is answered once, and the reason follows at once.
import { OWN_KEYS, element, listen, mount, save, speaker } from "../kit/controls.js";

function render({ model, el }) {
  const { questions } = model.get("plan");
  const root = element("div", { class: "lwlr-view lwlr-recall", role: "group", tabindex: -1 });
  const { region, tell, hush } = speaker();
  const group = `lwlr-recall-${Math.random().toString(36).slice(2)}`;
  const blocks = questions.map(({ asks, options, right, why }, i) => {
    const rows = options.map((text, j) => {
      const input = element("input", {
        type: "radio", name: `${group}-${i}`, "data-option": j, ...OWN_KEYS,
      });
      const verdict = element("span", { class: "lwlr-verdict" });
      const row = element("label", { class: "lwlr-option" }, input, element("span", {}, text), verdict);
      return { input, row, verdict };
    });
    const answer = element("button", {
      type: "button", "data-name": `answer-${i}`, ...OWN_KEYS,
    }, "answer");
    const reason = element("div", { class: "lwlr-reason" });
    answer.addEventListener("click", () => {
      const chosen = rows.findIndex(({ input }) => input.checked);
      if (chosen < 0) return;
      const answers = [...model.get("answers")];
      answers[i] = chosen;
      save(model, { answers });
      show();
      tell(reason.textContent);
      root.focus({ preventScroll: true }); // the button is gone; outside the notebook keys would do nothing
    });
    for (const { input } of rows) input.addEventListener("change", () => (answer.disabled = false));
    answer.disabled = true;
    const block = element("fieldset", { class: "lwlr-recall-question" },
      element("legend", {}, `${i + 1}. ${asks}`), ...rows.map((r) => r.row), answer, reason);
    const update = (chosen) => {
      const done = chosen >= 0;
      for (const [j, { input, row, verdict }] of rows.entries()) {
        input.disabled = done;
        if (done) input.checked = j === chosen;
        row.classList.toggle("lwlr-right", done && j === right);
        verdict.textContent = done && j === chosen ? "◂ your answer" : "";
      }
      answer.hidden = done;
      reason.textContent = done ? `${chosen === right ? "✔ Right." : `✘ No: ${options[right]}.`} ${why}` : "";
    };
    return { block, update };
  });
  const show = () => {
    const answers = model.get("answers");
    blocks.forEach(({ update }, i) => update(answers[i]));
    root.setAttribute("aria-label", model.get("words"));
  };
  root.append(...blocks.map((b) => b.block), region);
  mount(model, el, root);
  show();
  tell(""); // what was answered before is not told again
  const unlisten = listen(model, ["answers", "words"], show);
  return () => {
    unlisten();
    hush();
  };
}

export default { render };
