// The panel of a method: a row for each of its rule's names, with a bar, the number, and the line that makes it.
import { colourOf, line, marker, polyline } from "../kit/canvas.js";
import { plot } from "../kit/chart.js";
import { tickLabel } from "../kit/text.js";

const [HEAD, ROW, FOOT] = [26, 39, 26]; // pixels
const MONO = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
const NOT_HERE = "not at this step";

/** @typedef {{ name: string, line: string | null, value: number }} Row */

/** @param {number} rows */
export const panelHeight = (rows) => HEAD + FOOT + ROW * rows;

// As much of a line as there is room for, in letters of one width.
/** @type {(ctx: Context, text: string) => string} */
const cut = (ctx, text) => {
  const most = Math.floor((ctx.cssWidth - 4) / ctx.measureText("m").width);
  return text.length > most ? `${text.slice(0, Math.max(0, most - 1))}…` : text;
};

// A logarithmic axis to both sides: `low` and `high` are the powers of ten at its middle and at its ends. A row whose
// line is null is one that the rule does not come to. The last two rows are what comes of the others.
/**
 * @param {Context} ctx
 * @param {Colours} colours
 * @param {Method} m
 * @param {{ title: string, rows: Row[], ends: number[], said: (value: number) => string, exactly: (value: number) => string }} shown
 */
export function drawPanel(ctx, colours, m, { title, rows, ends: [low, high], said, exactly }) {
  const warp = (v) => Math.sign(v) * Math.max(0, Math.log10(Math.abs(v)) - low || 0);
  const stride = Math.max(1, Math.ceil((high - low) / Math.max(1, Math.floor(ctx.cssWidth / 160))));
  const powers = [];
  for (let e = high; e > low; e -= stride) powers.unshift(10 ** e);
  const at = [...powers.map((v) => -v).reverse(), 0, ...powers];
  const labels = at.map((v) => (v ? (v < 0 ? "−" : "") + tickLabel(Math.abs(v), { range: [], log: true }) : "0"));
  ctx.font = `600 ${colours.font}`;
  const left = 14 + Math.max(...rows.map((row) => ctx.measureText(row.name).width));
  const box = { left, top: HEAD, width: ctx.cssWidth - left - 66, height: ROW * rows.length };
  const x = { range: [-(10 ** high), 10 ** high], warp, at, labels };
  const p = plot(ctx, colours, box, x, { range: [0, 1] }, { yTicks: 0 });
  p.table = { title, head: ["name", "value", "line"], rows: rows.map((row) => [row.name, row.value, row.line ?? ""]) };
  const middle = (k) => p.top + ROW * k + 12; // of a row's bar
  p.cellAt = (_, y) => {
    const k = Math.floor((y - p.top) / ROW);
    if (!rows[k]) return null;
    const { name, line: made, value } = rows[k];
    const text = made === null ? `${name}: ${NOT_HERE}` : `${name} = ${exactly(value)}   ${made}`;
    return { text, px: p.px(value || 0), py: middle(k), away: 0 };
  };

  const colour = colourOf(m.style, colours);
  polyline(ctx, 2, (k) => 2 + 30 * k, () => 10, { colour, dash: m.style.dash });
  marker(ctx, m.style.marker, 17, 10, 4.5, colour, colours.paper);
  Object.assign(ctx, { fillStyle: colours.text, textBaseline: "middle", textAlign: "left" });
  ctx.fillText(m.name, 40, 10.5);
  rows.forEach((row, k) => {
    const y = middle(k);
    ctx.fillStyle = colours.paper; // no grid line runs through the words
    ctx.fillRect(0, y + 9, ctx.cssWidth, 17);
    const weight = k >= rows.length - 2 ? "600 " : "";
    Object.assign(ctx, { font: weight + colours.font, fillStyle: colours.text, textAlign: "left" });
    ctx.fillText(row.name, 2, y);
    ctx.textAlign = "right";
    ctx.fillText(row.line === null ? "–" : said(row.value), ctx.cssWidth - 2, y);
    Object.assign(ctx, { font: MONO, textAlign: "left", globalAlpha: 0.75 });
    ctx.fillText(cut(ctx, row.line ?? NOT_HERE), 2, y + 17);
    Object.assign(ctx, { globalAlpha: 1, fillStyle: colour, strokeStyle: colours.text, lineWidth: 1 });
    if (row.value && Number.isFinite(row.value)) {
      const length = p.px(row.value) - p.px(0);
      ctx.fillRect(p.px(0), y - 6, Math.sign(row.value) * Math.max(2, Math.abs(length)), 12);
    }
    line(ctx, p.px(0), y - 8, p.px(0), y + 8);
  });
  ctx.textBaseline = "alphabetic";
}
