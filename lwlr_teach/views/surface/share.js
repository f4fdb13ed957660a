// What the playground shows, to take away: as Python, and as an address that brings it back.

// The lines that make a view of it.
/**
 * @param {any} plan
 * @param {Record<string, any>} now
 */
export function codeOf({ code, values, labels }, now) {
  const value = (name) => labels[name][now.more[name]];
  const call = (text) => String(text).split("(")[0];
  const schedule = code.schedule[now.schedule];
  const clip = code.clip[now.clip];
  const noise = Number(value("noise"));
  const imports = [
    clip && `from lwlr_teach.clipping import ${clip}`,
    noise && "from lwlr_teach.problems.surfaces import noisy",
    schedule !== "None" && `from lwlr_teach.schedules import ${call(schedule)}`,
    "from lwlr_teach.views import SurfaceView",
  ];
  const surface = JSON.stringify(now.surface);
  const lr = values.lr;
  const given = [
    noise ? `noisy(${surface}, ${noise})` : surface,
    `[${now.shown.map((name) => JSON.stringify(name)).join(", ")}]`,
    `lr=torch.logspace(${Math.log10(lr[0])}, ${Math.log10(lr.at(-1))}, ${lr.length}, dtype=torch.float64)`,
    `at_lr=${lr[now.lr_index]}`,
    `at_momentum=${labels.momentum[now.momentum_index]}`,
    now.more.weight_decay && `weight_decay=[${value("weight_decay")}]`,
    schedule !== "None" && `schedule=${schedule}`,
    clip && `clip=${clip}(${values.limit[now.limit_index]})`,
    `start=(${now.start.join(", ")})`,
    now.second.length && `second=(${now.second.join(", ")})`,
    `at_step=${now.step}`,
  ];
  const lines = (list, indent) => list.filter(Boolean).map((text) => `${indent}${text}`);
  return ["import torch", "", ...lines(imports, ""), "", "SurfaceView(", ...lines(given, "    ").map((text) => `${text},`), ")"].join("\n");
}

const MARK = "#lwlr=";

// This page's address with what differs from the beginning.
/**
 * @param {any} plan
 * @param {Record<string, any>} now
 */
export function linkOf({ start }, now) {
  const changed = Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(start[name]));
  return location.href.split("#")[0] + MARK + encodeURIComponent(JSON.stringify(Object.fromEntries(changed)));
}

// What the address holds with which the page was opened. JupyterLab takes it away while it starts.
function markOf() {
  const opened = performance.getEntriesByType("navigation")[0]?.name ?? "";
  return [location.href, opened].map((address) => address.split(MARK)[1]).find(Boolean);
}

// The part of the state that the page's address holds; what does not fit is left out.
/**
 * @param {any} plan
 * @returns {Record<string, any>}
 */
export function stateOf({ start, values, steps, surfaces, schedules, free, methods }) {
  const mark = markOf();
  if (!mark) return {};
  /** @type {Record<string, any>} */
  let told = {};
  try {
    told = JSON.parse(decodeURIComponent(mark)) ?? {};
  } catch {
    return {};
  }
  const position = (value, length) => Number.isInteger(value) && value >= 0 && value < length;
  const point = (value, length) => Array.isArray(value) && value.length === length && value.every(Number.isFinite);
  const on = (value, bounds) => point(value, 2) && bounds.every(([low, high], axis) => value[axis] >= low && value[axis] <= high);
  const surface = told.surface in surfaces ? told.surface : start.surface;
  const { bounds } = surfaces[surface];
  const good = {
    surface: (v) => v in surfaces,
    schedule: (v) => v in schedules,
    clip: (v) => v in free,
    start: (v) => on(v, bounds),
    second: (v) => point(v, 0) || on(v, bounds),
    lr_index: (v) => position(v, values.lr.length),
    momentum_index: (v) => position(v, values.momentum.length),
    limit_index: (v) => position(v, values.limit.length),
    more: (v) => Object.keys(start.more).every((name) => position(v?.[name], values[name].length)),
    step: (v) => position(v, steps + 1),
    every_rate: (v) => typeof v === "boolean",
    shown: (v) => Array.isArray(v) && v.every((name) => methods.some((m) => m.name === name)),
  };
  const begin = surface === start.surface ? {} : { start: surfaces[surface].start };
  return { ...begin, ...Object.fromEntries(Object.entries(told).filter(([name, value]) => good[name]?.(value))) };
}
