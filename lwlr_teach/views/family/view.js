// The family view: a card for each method with the lines of its rule, joined to the cards of those that it came of.
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";

const ARROW = 5; // pixels

function render({ model, el }) {
  const view = stage({ model, el });
  const { plan, now } = view;
  /** @type {Record<string, any>} */
  const cards = Object.fromEntries(plan.cards.map((card) => [card.name, card]));
  const descent = () => cards[now.chosen].descent;

  const choice = view.choice("chosen", "method", Object.keys(cards));
  /** @type {[string, any][]} */
  const labels = [...choice.children].map((label, i) => [plan.cards[i].name, label]);
  for (const [name, label] of labels) {
    const { place: [row, column], lines } = cards[name];
    Object.assign(label.style, { gridRow: row + 1, gridColumn: column + 1 });
    const rule = lines.map(([text, isNew]) => element("div", isNew ? { class: "lwlr-new" } : {}, `${isNew ? "+" : " "} ${text}`));
    label.append(element("div", { class: "lwlr-rule" }, ...rule));
  }
  view.shows.push(() => {
    for (const [name, label] of labels) label.classList.toggle("lwlr-descent", descent().includes(name));
  });

  // From the middle of the lower edge of a parent's card to the upper edge of the child's.
  function drawEdges(ctx, colours) {
    const outer = choice.getBoundingClientRect();
    const box = (name) => {
      const r = Object.fromEntries(labels)[name].getBoundingClientRect();
      return { x: (r.left + r.right) / 2 - outer.left, top: r.top - outer.top, bottom: r.bottom - outer.top };
    };
    for (const { name, parents } of plan.cards) {
      for (const [i, parent] of parents.entries()) {
        const strong = descent().includes(name) && descent().includes(parent);
        Object.assign(ctx, { strokeStyle: colours.text, fillStyle: colours.text, lineWidth: strong ? 2.5 : 1, globalAlpha: strong ? 1 : 0.5 });
        const [from, to] = [box(parent), box(name)];
        const x = to.x + (i - (parents.length - 1) / 2) * 24; // two parents arrive side by side
        ctx.beginPath();
        ctx.moveTo(from.x, from.bottom);
        ctx.bezierCurveTo(from.x, from.bottom + 18, x, to.top - 22, x, to.top - ARROW);
        ctx.stroke();
        ctx.beginPath();
        ctx.moveTo(x, to.top);
        ctx.lineTo(x - ARROW, to.top - 1.6 * ARROW);
        ctx.lineTo(x + ARROW, to.top - 1.6 * ARROW);
        ctx.fill();
      }
    }
    ctx.globalAlpha = 1;
  }

  const sentence = () => cards[now.chosen].says;
  const tree = element("div", { class: "lwlr-tree" }, view.picture("edges", drawEdges), choice);
  const words = view.words(() => `${cards[now.chosen].came}. Lines with + are new.`);
  return view.open("family", sentence, words, tree);
}

export default { render };
