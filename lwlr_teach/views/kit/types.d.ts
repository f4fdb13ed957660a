// The words of the views' types, for `tsc` alone: no browser reads this file. They need no import.

/** What anywidget hands to a view; Python's traits stand behind it. A page without a kernel may lack `off`. */
interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off?(event: string, callback: () => void): void;
}

/** A prediction: its question, and what was guessed and measured, empty while it is not. */
interface Asked {
  plan: any;
  guess: number[];
  confidence: number;
  locked: boolean;
  truth: number[];
  why: string;
}

/** What stands in for Python on a page: it may show what was measured, and knows whether it has. */
interface Kernel {
  reveal?: () => void;
  wasTold?: boolean;
  toldAnyway?: boolean;
}

/** How a method is drawn everywhere; without a colour it takes the text's. */
interface Style {
  colour?: string | null;
  /** Another one, on dark paper. */
  dark?: string;
  marker: string;
  dash?: number[];
}

interface Method {
  name: string;
  style: Style;
}

/** The colours of the page's theme, and its font. */
interface Colours {
  dark: boolean;
  text: string;
  faint: string;
  paper: string;
  font: string;
}

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

interface Axis {
  range: [number, number] | number[];
  log?: boolean;
  /** A scale of its own: how far along a value stands. */
  warp?: (value: number) => number;
  /** Places of the ticks, and what is written at them. */
  at?: number[];
  labels?: (string | number)[];
  percent?: boolean;
  title?: string;
  /** What a click moves: the trait to the nearest of its values, or its entry of this key. */
  trait?: string;
  key?: string | number;
  values?: number[];
  /** Every value is one: the entry takes what lies at the pointer. */
  free?: boolean;
  /** What else changes with it. */
  also?: Record<string, unknown>;
}

/** The inner rectangle of a plot, and where values lie in it. */
interface Frame extends Box {
  right: number;
  bottom: number;
  x: Axis;
  y: Axis;
  px: (value: number) => number;
  py: (value: number) => number;
}

/** A value for each of n points. */
type At<T = number> = (i: number) => T;

/** A context in CSS pixels, as `fit` makes it. */
type Context = CanvasRenderingContext2D & { cssWidth: number; cssHeight: number; ratio: number };

interface Line {
  colour: string;
  width?: number;
  dash?: number[];
  halo?: string;
  alpha?: number;
}

interface Curve extends Partial<Line> {
  name?: string;
  style?: Style;
  n: number;
  x: At;
  y: At;
  quiet?: boolean;
  floor?: boolean;
  gaps?: boolean;
  text?: (value: number) => string;
  reads?: At<string>;
}

interface Band {
  n: number;
  x: At;
  low: At;
  high: At;
  colour: string;
  alpha?: number;
}

/** Dots. */
interface Scatter {
  name?: string;
  n: number;
  x: At;
  y: At;
  colour: string;
  quiet?: boolean;
  text?: (value: number) => string;
}

/** How a row beside the legend is lit up. */
interface Tint {
  colour: string;
  alpha: number;
  bold?: boolean;
}

/** Points that are drawn by other means and read here; what a click on one changes is `goes(i)`, or null. */
interface Points {
  name?: string;
  n: number;
  x: At;
  y: At;
  text: At<string>;
  goes?: At<object | null>;
}

/** What the pointer is at: a point of a curve, or one that says its own text. */
type Found = { px: number; py: number; away: number; name?: string; goes?: object | null } & (
  | { plot: Plot; curve: Curve; i: number; text?: string }
  | { curve?: undefined; text: string }
);

/** What a press at a place of a plot changes; `handle` is the trait that is dragged, if not those of the axes. */
type Goal = (p: Plot, left: number, top: number, handle?: string) => object;

/** Where handles are, in pixels, and which is the nearest. */
interface Handles {
  place: (p: Plot, trait: string) => [number, number];
  nearest: (p: Plot, left: number, top: number) => string | undefined;
}

/** What an axes' frame is drawn with. */
interface AxesOptions {
  xTitle?: string;
  yTitle?: string;
  xLabels?: boolean;
  /** Pixels between two ticks. */
  xEvery?: number;
  yTicks?: number;
}

interface Plot extends Frame {
  curves: Curve[];
  places: Points[];
  /** Traits that stand for a place, and can be dragged where both axes are free. */
  handles?: string[];
  within: (value: number) => number;
  clipped: (paint: () => void) => void;
  curve: (curve: Curve) => void;
  scatter: (all: Scatter) => void;
  /** For the list of numbers, in place of the curves. */
  table?: Table;
  band: (band: Band) => void;
  rule: (at: number, looks?: Partial<Line>) => void;
  mark: (style: Style, at: number, value: number, size?: number) => void;
  cells: (picture: CanvasImageSource, columns: number, rows: number,
    read: (column: number, row: number) => { name?: string; text: string }) => void;
  cellAt?: (left: number, top: number) => Found | null;
  once: (key: string, paint: () => void, alpha?: number) => void;
  points: (all: Points) => void;
}

interface Table {
  title?: string;
  head: (string | undefined)[];
  rows: (number | string)[][];
}

/** What a plot keeps between two drawings. */
interface Kept {
  key: string;
  sheet: OffscreenCanvas;
  curves: Curve[];
  cellAt?: Plot["cellAt"];
}

interface HTMLCanvasElement {
  plots?: Plot[];
  kept?: Partial<Kept>[];
}

/** One for each value, or a list of values that speak for themselves. */
type Options = Record<string, string> | string[];
type Labels = (string | number)[] | (() => (string | number)[]);

/**
 * A method's step: it moves the point `p` and the state `s`, given the gradient, the settings and the step's number. One
 * that is watched tells the values of its rule's names in `w`.
 */
interface Program {
  step(p: Float64Array, g: Float64Array, s: Float64Array, h: Record<string, number>, t: number, w?: Float64Array): void;
  size: number;
}

/** What a run is made with, beside its program and its surface. */
interface Setup {
  settings: Record<string, number>;
  start: ArrayLike<number>;
  factors?: ArrayLike<number> | null;
  momenta?: ArrayLike<number> | null;
  draws?: ArrayLike<number> | null;
  noise?: number;
}

/** The surfaces of one view by their names, and its rules by the name of the clip that they have. */
interface Programs {
  surfaces: Record<string, (p: Float64Array, g: Float64Array) => number>;
  methods: Record<string, Program[]>;
}

/** A method's run from a start: its points, the loss above the minimum there, and the step at which it is lost, or −1. */
type Paths = (m: { i: number }, now: Record<string, any>, start: number[]) => { x: At; y: At; loss: At; diverged: number };
