// The explain view: room for a sentence of one's own, and a good answer to compare it with, once it is kept.
import { OWN_KEYS, button, element, emptyScreen, listen, mount, save, staysInView } from "../kit/controls.js";

function render({ model, el }) {
  const { asks, good } = model.get("plan");
  const area = element("textarea", { rows: 3, "aria-label": asks, placeholder: "in your own words", ...OWN_KEYS });
  const keep = button("keep", "", "keep my answer, and show a good one", () => {
    save(model, { said: area.value.trim() });
    show();
    root.focus({ preventScroll: true }); // the button rests; outside the notebook keys would do nothing
  });
  const answer = element("div", { class: "lwlr-reason", role: "status" });
  const gap = emptyScreen("The lesson goes on further down. This gap closes once you have kept an answer.");
  const root = element("div", { class: "lwlr-view lwlr-explain", tabindex: -1 },
    element("div", { class: "lwlr-question" }, asks), area, element("div", { class: "lwlr-controls" }, keep), answer, gap);
  const enable = () => (keep.disabled = !area.value.trim() || area.value.trim() === model.get("said"));
  area.addEventListener("input", enable);

  function show() {
    const said = model.get("said");
    if (document.activeElement !== area) area.value = said || area.value;
    keep.textContent = said ? "keep the change" : "keep, and compare";
    enable();
    gap.hidden = Boolean(said);
    answer.textContent = said ? `A good answer: ${good} Does yours say the same? Change it if you like.` : "";
  }
  mount(model, el, root);
  show();
  if (!model.get("said")) staysInView(root.children[0], answer);
  return listen(model, ["said"], show);
}

export default { render };
