// The help under an exercise: a button that shows one hint more, and one for the solution.
import { button, element, listen, mount, save } from "../kit/controls.js";

function render({ model, el }) {
  const { hints, solution } = model.get("plan");
  const more = button("hint", "", "show one hint more", () => {
    save(model, { hints: model.get("hints") + 1 });
    show();
  });
  const solve = button("solution", "", "show or hide an answer that is right", () => {
    save(model, { solved: !model.get("solved") });
    show();
  });
  const list = element("ol", { class: "lwlr-hints", "aria-live": "polite" });
  const code = element("pre", { class: "lwlr-solution" }, solution);
  const root = element("div", { class: "lwlr-view lwlr-help" },
    element("div", { class: "lwlr-controls" }, ...(hints.length ? [more] : []), solve), list, code);

  function show() {
    const [shown, solved] = [model.get("hints"), model.get("solved")];
    while (list.children.length < shown) list.append(element("li", {}, hints[list.children.length]));
    more.textContent = shown < hints.length ? `hint ${shown + 1} of ${hints.length}` : "no more hints";
    more.disabled = shown >= hints.length;
    solve.setAttribute("aria-expanded", String(solved));
    solve.textContent = solved ? "hide the solution" : "solution";
    code.hidden = !solved;
  }
  mount(model, el, root);
  show();
  return listen(model, ["hints", "solved"], show);
}

export default { render };
