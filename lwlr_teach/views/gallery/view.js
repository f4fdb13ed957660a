// The gallery: many small pictures of one curve each, with a name and a word.
import { element } from "../kit/controls.js";
import { stage } from "../kit/stage.js";

const [BLUE, BLUE_ON_DARK] = ["#0072b2", "#56b4e9"];

function render({ model, el }) {
  const view = stage({ model, el });
  const { tiles, range, says } = view.plan;
  const figures = tiles.map(({ name, note, values }) => {
    const draw = (ctx, colours) => {
      const box = { left: 1, top: 1, width: ctx.cssWidth - 2, height: ctx.cssHeight - 2 };
      const bare = { ...colours, faint: "transparent" };
      const p = view.plot(ctx, bare, box, { range: [0, values.length - 1] }, { range, title: "" }, { xLabels: false, yTicks: 0 });
      const colour = colours.dark ? BLUE_ON_DARK : BLUE;
      p.curve({ name, n: values.length, x: (i) => i, y: (i) => values[i] ?? NaN, colour, width: 2.2 });
    };
    const canvas = view.picture("tile", draw, () => (note ? `${name}: ${note}` : name));
    return element("figure", {}, element("figcaption", {}, element("b", {}, name)), canvas, element("small", {}, note));
  });
  return view.open("gallery", () => says, element("div", { class: "lwlr-tiles" }, ...figures));
}

export default { render };
