// Numbers as text, written as lwlr_teach.core.text writes them: pure functions, tested with Node.

// Two significant digits.
/** @param {number} value */
export function short(value) {
  if (!Number.isFinite(value)) return "∞";
  if (value === 0) return "0";
  const rounded = value.toExponential(1);
  const exponent = Number(rounded.split("e")[1]);
  const text = exponent >= -4 && exponent < 5 ? String(Number(rounded)) : rounded.replace("e+", "e");
  return text.replaceAll("-", "−");
}

// Three significant digits, as on a slider: 0.0126, 1e-05; whole numbers below 100,000 in full. Python lets a tie go to
// the even digit, toExponential does not; a number that is a tie has so few digits that sixty show it.
/** @param {number} value */
export function label(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return String(value);
  const tie = /^(-?\d\.\d[02468])50*(e.*)$/.exec(value.toExponential(60));
  const rounded = tie ? tie[1] + tie[2] : value.toExponential(2);
  const [digits, exponent] = rounded.split("e").map(Number);
  if (exponent >= -4 && exponent < 5) return String(Number(rounded));
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

// A share in whole percent; a half goes up.
/** @param {number} share */
export function percent(share) {
  return `${Math.floor(100 * share + 0.5)}%`;
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/**
 * @param {number} value
 * @param {Axis} axis
 */
export function tickLabel(value, axis) {
  if (axis.labels) return String(axis.labels[/** @type {number[]} */ (axis.at).indexOf(value)]);
  if (axis.percent) return percent(value);
  if (!axis.log) return String(Number(value.toPrecision(6))).replace("-", "−");
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(Math.log10(value) - exponent) > 1e-6) return String(Number(value.toPrecision(1)));
  if (exponent >= -2 && exponent <= 2) return String(Number(value.toPrecision(1)));
  return "10" + [...String(exponent)].map((c) => SUPERSCRIPT[c]).join("");
}
