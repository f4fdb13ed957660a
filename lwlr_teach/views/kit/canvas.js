// Drawing helpers that all views share. No dependency; colours come from the page's theme.
import { ticks } from "./geometry.js";
import { tickLabel } from "./text.js";

// JupyterLab sets its theme's colours as CSS variables on the body. They must be read there: the view's own
// element is not attached yet when it is first drawn.
/** @returns {Colours} */
export function theme() {
  const style = getComputedStyle(document.body);
  const flag = document.body.dataset.jpThemeLight;
  const dark = flag ? flag === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
  const pick = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  // Where the system has taken over the colours of the page, pictures take the same.
  if (matchMedia("(forced-colors: active)").matches) {
    return { dark, text: "CanvasText", faint: "color-mix(in srgb, CanvasText 25%, transparent)", paper: "Canvas", font };
  }
  return {
    dark,
    text: pick("--jp-ui-font-color1", dark ? "#e0e0e0" : "#212121"),
    faint: dark ? "rgba(255,255,255,0.16)" : "rgba(0,0,0,0.12)",
    paper: pick("--jp-layout-color0", dark ? "#111111" : "#ffffff"),
    font,
  };
}

// Calls back when the theme changes, the window zooms, or the element's width changes; returns a stop function.
/**
 * @param {Element} element
 * @param {() => void} callback
 */
export function onAppearanceChange(element, callback) {
  // While JupyterLab changes its theme, pictures have no size for a frame and cannot be drawn: once more a little later.
  let later = 0;
  const themes = new MutationObserver(() => {
    callback();
    clearTimeout(later);
    later = setTimeout(callback, 150);
  });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const sizes = new ResizeObserver(callback);
  sizes.observe(element);
  const media = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) => matchMedia(query));
  for (const query of media) query.addEventListener("change", callback);
  window.addEventListener("resize", callback);
  return () => {
    clearTimeout(later);
    themes.disconnect();
    sizes.disconnect();
    for (const query of media) query.removeEventListener("change", callback);
    window.removeEventListener("resize", callback);
  };
}

// At most one drawing a frame, however often it is asked for.
/** @param {() => void} draw */
export function painter(draw) {
  let pending = 0;
  return () => {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      draw();
    });
  };
}

// No canvas of a view has a context of another kind, so that this one is never refused.
/**
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

// A context in CSS pixels on a backing store in device pixels, or null while the canvas has no size.
/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Context | null}
 */
export function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return null;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const ctx = contextOf(canvas);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return Object.assign(ctx, { cssWidth: width, cssHeight: height, ratio });
}

// Grid lines, tick labels and axis titles of a frame; a label that would run into the one before it is left out.
// There is a tick about every so many pixels.
/**
 * @param {Context} ctx
 * @param {Frame} f
 * @param {Colours} colours
 * @param {AxesOptions} options
 */
export function axes(ctx, f, colours, { xTitle, yTitle, xLabels = true, xEvery = 60, yTicks = 5 } = {}) {
  ctx.font = colours.font;
  ctx.lineWidth = 1;
  ctx.strokeStyle = colours.faint;
  ctx.fillStyle = colours.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  let free = -Infinity; // where the last label ended
  for (const value of ticks(f.x, Math.max(2, Math.floor(f.width / xEvery)))) {
    const at = Math.round(f.px(value)) + 0.5;
    line(ctx, at, f.top, at, f.bottom);
    if (!xLabels) continue;
    const label = tickLabel(value, f.x);
    const half = ctx.measureText(label).width / 2;
    const middle = Math.max(half, Math.min(at, ctx.cssWidth - half)); // the first and the last end in the picture
    if (middle - half < free + 4) continue;
    ctx.fillText(label, middle, f.bottom + 5);
    free = middle + half;
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const value of yTicks ? ticks(f.y, yTicks) : []) {
    const at = Math.round(f.py(value)) + 0.5;
    line(ctx, f.left, at, f.right, at);
    ctx.fillText(tickLabel(value, f.y), f.left - 6, at, f.left - 6); // with the room there is, letters get narrower
  }
  ctx.textBaseline = "alphabetic";
  if (xTitle) {
    ctx.textAlign = "right";
    ctx.fillText(xTitle, f.right, f.bottom + 32, f.right);
  }
  if (yTitle) {
    ctx.textAlign = "left";
    ctx.fillText(yTitle, f.left, f.top - 7, ctx.cssWidth - f.left);
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
export function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

// Of the palette, yellow alone cannot be seen on white, and a darker one is a colour-blind person's orange: it keeps its
// colour and has dark edges. `EDGE` and `EDGED` as in style.py.
const [EDGED, EDGE] = ["#f0e442", "#5c5500"];
/** @param {string} colour */
const edged = (colour) => colour.toLowerCase() === EDGED;

// A line through n points, with a halo so that it stands out from whatever is below. It ends where a height is no
// number, and begins anew behind.
/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} n
 * @param {At} px
 * @param {At} py
 * @param {Line} looks
 */
export function polyline(ctx, n, px, py, { colour, width = 2, dash = [], halo, alpha = 1 }) {
  if (n < 1) return;
  ctx.beginPath();
  for (let i = 0, drawn = false; i < n; i++) {
    const y = py(i);
    if (!Number.isNaN(y)) ctx[drawn ? "lineTo" : "moveTo"](px(i), y);
    drawn = !Number.isNaN(y);
  }
  ctx.lineJoin = ctx.lineCap = "round";
  ctx.globalAlpha = alpha;
  if (halo) {
    ctx.setLineDash([]);
    ctx.strokeStyle = halo;
    ctx.lineWidth = width + 2.5;
    ctx.stroke();
  }
  ctx.lineCap = dash.length ? "butt" : "round";
  ctx.setLineDash(dash);
  if (edged(colour)) {
    ctx.strokeStyle = EDGE;
    ctx.lineWidth = width + 1.6;
    ctx.stroke();
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

// A dot at each of n points, but not where dots would run into each other.
/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} n
 * @param {At} px
 * @param {At} py
 * @param {string} colour
 */
export function dots(ctx, n, px, py, colour) {
  ctx.fillStyle = colour;
  let [x, y] = [-Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    if (Math.hypot(px(i) - x, py(i) - y) < 7) continue;
    [x, y] = [px(i), py(i)];
    ctx.beginPath();
    ctx.arc(x, y, 2.6, 0, 2 * Math.PI);
    ctx.fill();
    if (!edged(colour)) continue;
    Object.assign(ctx, { strokeStyle: EDGE, lineWidth: 0.8 });
    ctx.stroke();
  }
}

// The corners of each marker, in units of its size.
const MARKERS = {
  square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
  "triangle-up": [[0, -1.1], [1, 0.8], [-1, 0.8]],
  "triangle-down": [[0, 1.1], [1, -0.8], [-1, -0.8]],
  "triangle-right": [[1.1, 0], [-0.8, 1], [-0.8, -1]],
  diamond: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
  plus: [[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1],
         [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]],
  star: Array.from({ length: 10 }, (_, i) => {
    const [radius, angle] = [i % 2 ? 0.55 : 1.3, (i * Math.PI) / 5];
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  }),
};

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} shape
 * @param {number} x
 * @param {number} y
 * @param {number} size
 * @param {string} fill
 * @param {string} edge
 */
export function marker(ctx, shape, x, y, size, fill, edge) {
  ctx.beginPath();
  if (MARKERS[shape]) {
    for (const [dx, dy] of MARKERS[shape]) ctx.lineTo(x + dx * size, y + dy * size);
    ctx.closePath();
  } else {
    ctx.arc(x, y, size, 0, 2 * Math.PI);
  }
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = edged(fill) ? EDGE : edge;
  ctx.stroke();
}

// A style's colour: the method without a colour of its own is drawn in the colour of the text.
/**
 * @param {Style} style
 * @param {Colours} colours
 */
export function colourOf(style, colours) {
  return (colours.dark && style.dark) || style.colour || colours.text;
}

// A height map, drawn once for a size and a theme: bands with a thin line between them, light in the valley.
/**
 * @param {ArrayLike<number>} heights
 * @param {number} columns
 * @param {number} rows
 * @param {number} width
 * @param {number} height
 * @param {boolean} dark
 */
export function relief(heights, columns, rows, width, height, dark) {
  const bands = 16;
  const [valley, peak] = dark ? [[74, 84, 98], [22, 25, 30]] : [[255, 255, 255], [168, 180, 196]];
  const image = new ImageData(width, height);
  const contrast = dark ? 14 : -16;
  for (let j = 0; j < height; j++) {
    const v = ((height - 1 - j) / (height - 1)) * (rows - 1);
    const r = Math.min(rows - 2, Math.floor(v));
    const fv = v - r;
    for (let i = 0; i < width; i++) {
      const u = (i / (width - 1)) * (columns - 1);
      const c = Math.min(columns - 2, Math.floor(u));
      const fu = u - c;
      const at = r * columns + c;
      const [a, b] = [heights[at], heights[at + 1]];
      const [d, e] = [heights[at + columns], heights[at + columns + 1]];
      const low = a + (b - a) * fu;
      const z = ((low + (d + (e - d) * fu - low) * fv) / 65535) * bands;
      // How far, in pixels, the nearest edge of a band is: the slope of z says how wide a pixel is.
      const slope = Math.hypot(((b - a) * columns) / width, ((d - a) * rows) / height) / 65535 * bands;
      const edge = Math.abs(z - Math.round(z)) / Math.max(slope, 1e-6);
      const ink = Math.round(z) > 0 ? contrast * Math.max(0, 1 - edge) : 0;
      const t = Math.min(bands - 1, Math.floor(z)) / (bands - 1);
      const p = 4 * (j * width + i);
      for (let k = 0; k < 3; k++) image.data[p + k] = valley[k] + (peak[k] - valley[k]) * t + ink;
      image.data[p + 3] = 255;
    }
  }
  const picture = new OffscreenCanvas(width, height);
  contextOf(picture).putImageData(image, 0, 0);
  return picture;
}

// A grid of colour numbers, the first row at the bottom, as a picture with one pixel a cell, to be drawn large
// without smoothing. `table` holds colours as "#rrggbb"; a number beyond it leaves its cell empty.
/**
 * @param {ArrayLike<number>} codes
 * @param {number} columns
 * @param {number} rows
 * @param {string[]} table
 */
export function heatmap(codes, columns, rows, table) {
  const image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const colour = table[codes[row * columns + column]];
      if (!colour) continue;
      const p = 4 * ((rows - 1 - row) * columns + column);
      for (let k = 0; k < 3; k++) image.data[p + k] = parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
      image.data[p + 3] = 255;
    }
  }
  const picture = new OffscreenCanvas(columns, rows);
  contextOf(picture).putImageData(image, 0, 0);
  return picture;
}

// Draws such a picture into a frame, each cell with sharp edges.
/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {CanvasImageSource} picture
 * @param {Box} f
 */
export function drawCells(ctx, picture, f) {
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(picture, f.left, f.top, f.width, f.height);
  ctx.imageSmoothingEnabled = true;
}

// The colours of a heat map from left to right; `marks` are [share of the width, label].
/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @param {string[]} table
 * @param {any[][]} marks
 * @param {Colours} colours
 */
export function colourBar(ctx, left, top, width, height, table, marks, colours) {
  table.forEach((colour, i) => {
    ctx.fillStyle = colour;
    ctx.fillRect(left + (i / table.length) * width, top, width / table.length + 0.5, height);
  });
  Object.assign(ctx, { font: colours.font, fillStyle: colours.text, textAlign: "center", textBaseline: "top" });
  let free = -Infinity; // where the label before ends: one that would reach into it is left out
  for (const [share, text] of marks) {
    const [middle, half] = [left + share * width, ctx.measureText(text).width / 2];
    if (middle - half < free + 4) continue;
    ctx.fillText(text, middle, top + height + 3);
    free = middle + half;
  }
}

// Binary traits arrive as a DataView from a kernel, and as base64 text where a host cannot carry bytes.
/**
 * @template T
 * @param {new (buffer: ArrayBuffer) => T} Type
 * @param {DataView<ArrayBuffer> | string} value
 */
export function typed(Type, value) {
  if (typeof value === "string") value = new DataView(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)).buffer);
  return new Type(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
}
