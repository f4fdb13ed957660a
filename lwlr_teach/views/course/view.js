// The map of the course: a list of lessons with links, and what was done in each.
import { element, listen, mount } from "../kit/controls.js";

const MARKS = { done: "●", begun: "◐", new: "○", later: "·" };
const SAID = { done: "done", begun: "begun", new: "not begun", later: "still to be written" };

function render({ model, el }) {
  const list = element("div");
  const root = element("nav", { class: "lwlr-view lwlr-course" }, list);
  const show = () => {
    const { parts, summary } = model.get("plan");
    root.setAttribute("aria-label", "The map of the course");
    list.replaceChildren(...parts.map(({ title, lessons }) =>
      element("div", { class: "lwlr-part" }, element("div", { class: "lwlr-question" }, title),
        element("ul", {}, ...lessons.map(entry)))), element("div", { class: "lwlr-status" }, summary));
  };
  mount(model, el, root);
  show();
  return listen(model, ["plan"], show);
}

// What makes JupyterLab open the lesson in a tab. Elsewhere, and where its folder is not known, the link is one.
/** @returns {Record<string, string>} */
function opening(file) {
  const [, here] = decodeURIComponent(location.pathname).split("/tree/");
  if (here === undefined) return {};
  const path = [...here.split("/").slice(0, -1), file].join("/");
  return { "data-commandlinker-command": "docmanager:open", "data-commandlinker-args": JSON.stringify({ path }) };
}

function entry({ name, href, question, minutes, ready, state, passed, exercises, predictions, denied }) {
  const text = `${name.split("-")[0]} · ${question}`;
  const title = ready ? element("a", { href: href ?? `./${name}.ipynb`, ...opening(`${name}.ipynb`) }, text)
    : element("span", {}, text);
  const done = [
    `${minutes} min`, exercises && `${passed} of ${exercises} exercises`, predictions && `${predictions} prediction${predictions === 1 ? "" : "s"}`,
  ].filter(Boolean);
  return element("li", { class: `lwlr-lesson-${state}` },
    element("span", { class: "lwlr-mark", title: SAID[state], "aria-label": SAID[state], role: "img" }, MARKS[state]),
    title, element("span", { class: "lwlr-readout" }, ready ? done.join(", ") : SAID.later),
    denied ? element("span", { class: "lwlr-denied" }, `✘ ${denied} measured otherwise here`) : "");
}

export default { render };
