"""Every slider of a view at an end or in the middle: what of the view is wrong there, in words."""

from __future__ import annotations

from playwright.sync_api import Locator

PLACES = (0, 1, 0.5)
"""Both ends and the middle, as shares of a slider's length."""

_MOVE = r"""async (root, share) => {
  // Words of a formatter that was given no number; one that knows it writes ∞ or –.
  const noNumber = /\b(NaN|nan|undefined|Infinity|inf)\b|\[object /;
  const drawn = [];
  const { prototype } = CanvasRenderingContext2D;
  const { fillText } = prototype;
  prototype.fillText = function (text, ...rest) {
    drawn.push(String(text));
    fillText.call(this, text, ...rest);
  };
  // A copy is read: where a picture itself is read often, Chromium warns.
  const copy = new OffscreenCanvas(1, 1);
  const ctx = copy.getContext("2d", { willReadFrequently: true });
  const isEmpty = (canvas) => {
    [copy.width, copy.height] = [canvas.width, canvas.height];
    ctx.drawImage(canvas, 0, 0);
    const pixels = new Uint32Array(ctx.getImageData(0, 0, copy.width, copy.height).data.buffer);
    return pixels.every((pixel) => pixel === pixels[0]);
  };
  const wrong = () => {
    const all = [...root.querySelectorAll("*")];
    const pictures = all.filter((e) => e.tagName === "CANVAS" && e.clientWidth && e.clientHeight);
    const labels = all.flatMap((e) => [e.ariaLabel, e.ariaValueText, e.type === "text" ? e.value : ""]);
    // Beside what is asked and what can be chosen, which an author has written.
    const told = all.filter((e) => !e.closest(".lwlr-question, .lwlr-option"));
    const texts = told.flatMap((e) => [...e.childNodes])
      .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data);
    return [
      root.querySelector(".lwlr-fault").textContent,
      ...pictures.filter(isEmpty).map((e) => `${e.className} is empty`),
      ...pictures.filter((e) => e.role === "img" && !e.ariaLabel).map((e) => `${e.className} has no words`),
      ...[...drawn, ...labels, ...texts].filter((text) => noNumber.test(text)),
    ].filter(Boolean);
  };
  const found = [];
  for (const input of root.querySelectorAll("input[type=range]:enabled")) {
    if (!input.checkVisibility()) continue; // as that of a shared rate, where each contestant has its own
    drawn.length = 0;
    input.value = Math.round(share * input.max);
    for (const event of ["input", "change"]) input.dispatchEvent(new Event(event, { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    found.push(...wrong().map((what) => `${input.dataset.name} at ${input.value} of ${input.max}: ${what}`));
  }
  prototype.fillText = fillText;
  return found;
}"""


def move(view: Locator, share: float) -> list[str]:
    """Move what sliders of a view can be seen and moved to this share of their lengths, one by one.

    What is wrong at each: a fault of Python's, an empty picture, one without words, and words like NaN.
    """
    found: list[str] = view.evaluate(_MOVE, share)
    return found
