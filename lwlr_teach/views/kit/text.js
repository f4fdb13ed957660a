// Numbers as text, written as lwlr_teach.core.text writes them: pure functions, tested with Node.

// Two significant digits, written as lwlr_teach.core.text.short writes them.
export function short(value) {
  if (!Number.isFinite(value)) return "∞";
  if (value === 0) return "0";
  const rounded = value.toExponential(1);
  const exponent = Number(rounded.split("e")[1]);
  const text = exponent >= -4 && exponent < 5 ? String(Number(rounded)) : rounded.replace("e+", "e");
  return text.replaceAll("-", "−");
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export function tickLabel(value, axis) {
  if (axis.labels) return String(axis.labels[axis.at.indexOf(value)]);
  if (axis.percent) return `${Math.round(value * 100)}%`;
  if (!axis.log) return String(Number(value.toPrecision(6))).replace("-", "−");
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(Math.log10(value) - exponent) > 1e-6) return String(Number(value.toPrecision(1)));
  if (exponent >= -2 && exponent <= 2) return String(Number(value.toPrecision(1)));
  return "10" + [...String(exponent)].map((c) => SUPERSCRIPT[c]).join("");
}
