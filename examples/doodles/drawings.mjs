/**
 * The twelve things that are drawn: six pairs that a hurried hand makes look alike (sun and flower, cloud and tree, umbrella
 * and mushroom, house and envelope, fish and leaf, heart and apple).
 *
 * A drawing is a list of strokes in a box of about [−1, 1]², y pointing down, before any hand or camera has touched it.
 */
import { cosTurns, sinTurns } from "./random.mjs";

/** @typedef {import("./random.mjs").RandomStream} RandomStream */

/**
 * @typedef {object} Stroke
 * @property {readonly number[]} points x0, y0, x1, y1, …
 * @property {boolean} filled whether colour may be laid inside it
 */

/** @typedef {(random: RandomStream) => Stroke[]} Drawing */

/** @param {number[]} points @returns {Stroke} */
const line = (...points) => ({ points, filled: false });

/** @param {number[]} points @returns {Stroke} */
const shape = (points) => ({ points: [...points, points[0], points[1]], filled: true });

/**
 * Points along an elliptic arc, angles in turns, clockwise from the right.
 *
 * @param {number} x @param {number} y @param {number} rx @param {number} ry @param {number} from @param {number} to
 */
function arc(x, y, rx, ry, from = 0, to = 1) {
  const pieces = Math.max(3, Math.ceil(Math.abs(to - from) * 16));
  const points = [];
  for (let i = 0; i <= pieces; i++) {
    const turns = from + ((to - from) * i) / pieces;
    points.push(x + rx * cosTurns(turns), y + ry * sinTurns(turns));
  }
  return points;
}

/**
 * Points along a quadratic Bézier curve.
 *
 * @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2
 */
function bend(x0, y0, x1, y1, x2, y2) {
  const points = [];
  for (let i = 0; i <= 6; i++) {
    const t = i / 6;
    const u = 1 - t;
    points.push(u * u * x0 + 2 * u * t * x1 + t * t * x2, u * u * y0 + 2 * u * t * y1 + t * t * y2);
  }
  return points;
}

/**
 * A rim of bumps between two angles of an ellipse.
 *
 * @param {RandomStream} random
 * @param {number} x @param {number} y @param {number} rx @param {number} ry @param {number} from @param {number} to @param {number} bumps
 */
function bumpy(random, x, y, rx, ry, from, to, bumps) {
  const points = [];
  const rise = random.between(1.25, 1.6);
  for (let i = 0; i < bumps; i++) {
    const a = from + ((to - from) * i) / bumps;
    const b = from + ((to - from) * (i + 1)) / bumps;
    const middle = (a + b) / 2;
    const reach = rise * random.between(0.92, 1.08);
    points.push(
      ...bend(
        x + rx * cosTurns(a),
        y + ry * sinTurns(a),
        x + rx * reach * cosTurns(middle),
        y + ry * reach * sinTurns(middle),
        x + rx * cosTurns(b),
        y + ry * sinTurns(b),
      ),
    );
  }
  return points;
}

/** @type {Drawing} */
function sun(random) {
  const radius = random.between(0.34, 0.5);
  const rays = random.integer(6, 11);
  const start = random.uniform();
  const gap = random.between(0.02, 0.16);
  const strokes = [shape(arc(0, 0, radius, radius))];
  for (let i = 0; i < rays; i++) {
    const c = cosTurns(start + i / rays);
    const s = sinTurns(start + i / rays);
    const tip = random.between(0.82, 1);
    strokes.push(line(c * (radius + gap), s * (radius + gap), c * tip, s * tip));
  }
  return strokes;
}

/** @type {Drawing} */
function flower(random) {
  const stem = random.chance(0.45);
  const y = stem ? -0.3 : 0;
  const size = stem ? 0.68 : 0.95;
  const petals = random.integer(5, 8);
  const start = random.uniform();
  const heart = random.between(0.24, 0.36) * size;
  const width = 1.75 / petals;
  const strokes = [];
  for (let i = 0; i < petals; i++) {
    const turns = start + i / petals;
    const [c, s] = [cosTurns(turns), sinTurns(turns)];
    const rim = arc(0, 0, (size - heart) / 2, width * size * 0.62, 0.5, 1.5);
    const points = [];
    for (let p = 0; p < rim.length; p += 2) {
      const along = rim[p] + (size + heart) / 2;
      points.push(c * along - s * rim[p + 1], y + s * along + c * rim[p + 1]);
    }
    strokes.push(shape(points));
  }
  strokes.push(shape(arc(0, y, heart, heart)));
  if (stem) strokes.push(line(...bend(0, y + size, random.between(-0.15, 0.15), 0.6, 0, 1)));
  if (stem && random.chance(0.6)) strokes.push(shape([...bend(0, 0.8, 0.25, 0.4, 0.5, 0.45), ...bend(0.5, 0.45, 0.4, 0.8, 0, 0.8)]));
  return strokes;
}

/** @type {Drawing} */
function cloud(random) {
  const height = random.between(0.4, 0.62);
  if (random.chance(0.65))
    return [shape([-0.85, 0.35, ...bumpy(random, 0, 0.35, 0.85, height * 1.3, 0.5, 1, random.integer(3, 5)), 0.85, 0.35])];
  return [shape(bumpy(random, 0, 0, 0.76, height, 0, 1, random.integer(6, 9)))];
}

/** @type {Drawing} */
function tree(random) {
  const trunk = random.between(0.1, 0.2);
  const top = random.between(0.1, 0.45);
  const strokes = [shape([-trunk, top, trunk, top, trunk * 1.2, 1, -trunk * 1.2, 1])];
  if (random.chance(0.4)) {
    const tiers = random.integer(1, 3);
    for (let i = 0; i < tiers; i++) {
      const base = top - (i * (top + 0.75)) / tiers;
      const half = 0.72 - 0.16 * i;
      strokes.push(shape([-half, base, 0, Math.max(-1, base - 1.5 / tiers - 0.25), half, base]));
    }
  } else {
    const middle = (top - 0.95) / 2;
    const radius = (top + 0.95) / 2;
    if (random.chance(0.6)) strokes.push(shape(bumpy(random, 0, middle, radius * 0.92, radius * 0.8, 0.25, 1.25, random.integer(6, 9))));
    else strokes.push(shape(arc(0, middle, radius * random.between(0.85, 1.1), radius, 0.25, 1.25)));
  }
  return strokes;
}

/** @type {Drawing} */
function umbrella(random) {
  const height = random.between(0.7, 0.95);
  const panels = random.integer(2, 4);
  const rim = random.between(-0.1, 0.1);
  const hem = [];
  for (let i = 0; i < panels; i++) {
    const right = 0.92 - (1.84 * i) / panels;
    hem.push(...bend(right, rim, right - 0.92 / panels, rim - random.between(0.15, 0.4), right - 1.84 / panels, rim));
  }
  const side = random.chance(0.5) ? 1 : -1;
  const hook = random.between(0.12, 0.2);
  const strokes = [
    shape([...arc(0, rim, 0.92, height, 0.5, 1), ...hem]),
    line(0, rim - 0.15, 0, 0.8, ...arc(side * hook, 0.8, side * hook, hook, 0.5, 0.02)),
  ];
  if (random.chance(0.5)) strokes.push(line(0, rim - height, 0, rim - height - 0.12));
  return strokes;
}

/** @type {Drawing} */
function mushroom(random) {
  const height = random.between(0.6, 0.95);
  const rim = random.between(-0.05, 0.15);
  const waist = random.between(0.16, 0.32);
  const foot = waist * random.between(1, 1.5);
  const sag = random.between(-0.12, 0.25);
  const strokes = [
    shape([...arc(0, rim, 0.9, height, 0.5, 1), ...bend(0.9, rim, 0, rim + sag, -0.9, rim)]),
    line(
      ...bend(-waist, rim + sag / 2, -waist, 0.6, -foot, 0.92),
      ...bend(-foot, 0.92, 0, 1.05, foot, 0.92),
      ...bend(foot, 0.92, waist, 0.6, waist, rim + sag / 2),
    ),
  ];
  const dots = random.integer(0, 3);
  for (let i = 0; i < dots; i++) {
    const size = random.between(0.08, 0.15);
    strokes.push(line(...arc(-0.45 + 0.45 * i, rim - height * random.between(0.3, 0.6), size, size)));
  }
  return strokes;
}

/** @type {Drawing} */
function house(random) {
  const half = random.between(0.55, 0.75);
  const eaves = random.between(-0.3, 0);
  const over = half + random.between(0, 0.22);
  const strokes = [
    shape([-half, eaves, half, eaves, half, 0.9, -half, 0.9]),
    shape([-over, eaves, random.between(-0.1, 0.1), random.between(-0.95, -0.7), over, eaves]),
  ];
  const door = random.between(-0.3, 0.3);
  if (random.chance(0.75)) strokes.push(line(door - 0.14, 0.9, door - 0.14, 0.4, door + 0.14, 0.4, door + 0.14, 0.9));
  if (random.chance(0.4)) strokes.push(shape([0.2, 0.1, 0.45, 0.1, 0.45, 0.35, 0.2, 0.35]));
  if (random.chance(0.3)) strokes.push(line(0.3, -0.65, 0.3, -0.95, 0.5, -0.95, 0.5, -0.45));
  return strokes;
}

/** @type {Drawing} */
function envelope(random) {
  const half = random.between(0.45, 0.72);
  const depth = random.between(-0.1, 0.25);
  const strokes = [
    shape([-0.92, -half, 0.92, -half, 0.92, half, -0.92, half]),
    line(-0.92, -half, random.between(-0.1, 0.1), depth, 0.92, -half),
  ];
  if (random.chance(0.35)) strokes.push(line(-0.92, half, -0.2, depth - 0.1), line(0.92, half, 0.2, depth - 0.1));
  if (random.chance(0.2)) strokes.push(shape(arc(0, depth, 0.13, 0.13)));
  return strokes;
}

/** @type {Drawing} */
function fish(random) {
  const height = random.between(0.4, 0.8);
  const join = random.between(0.42, 0.55);
  const tail = random.between(0.28, 0.42);
  const tip = random.between(0.85, 1);
  const strokes = [
    shape([...bend(-0.95, 0, -0.25, -height * 1.35, join, 0), ...bend(join, 0, -0.25, height * 1.35, -0.95, 0)]),
    shape([join, 0, tip, -tail, tip - random.between(0, 0.15), 0, tip, tail]),
  ];
  if (random.chance(0.8)) strokes.push(line(...arc(-0.58, -0.1, 0.05, 0.05)));
  if (random.chance(0.4)) strokes.push(line(...bend(-0.35, -height * 0.5, -0.2, 0, -0.35, height * 0.5)));
  if (random.chance(0.3)) strokes.push(line(...bend(-0.4, -height * 0.62, 0, -height * 1.15, 0.15, -height * 0.4)));
  return strokes;
}

/** @type {Drawing} */
function leaf(random) {
  const height = random.between(0.4, 0.8);
  const join = random.between(0.5, 0.65);
  const lean = random.between(-0.45, 0.05);
  const strokes = [
    shape([...bend(-0.95, 0, lean, -height * 1.35, join, 0), ...bend(join, 0, lean, height * 1.35, -0.95, 0)]),
    line(...bend(-0.75, 0, 0, random.between(-0.1, 0.1), join, 0), ...bend(join, 0, 0.8, 0, 0.95, random.between(-0.25, 0.25))),
  ];
  const veins = random.integer(0, 3);
  for (let i = 0; i < veins; i++) {
    const x = 0.3 - 0.33 * i;
    strokes.push(line(x - 0.25, -height * 0.36, x, 0, x - 0.25, height * 0.36));
  }
  return strokes;
}

/** @type {Drawing} */
function heart(random) {
  const dip = random.between(-0.55, -0.3);
  const wide = random.between(1.15, 1.4);
  const high = random.between(-1.35, -1.1);
  return [
    shape([
      ...bend(0, dip, -0.45, high, -0.82, -0.5),
      ...bend(-0.82, -0.5, -wide * 0.85, 0.15, 0, 0.92),
      ...bend(0, 0.92, wide * 0.85, 0.15, 0.82, -0.5),
      ...bend(0.82, -0.5, 0.45, high, 0, dip),
    ]),
  ];
}

/** @type {Drawing} */
function apple(random) {
  const dip = random.between(-0.5, -0.3);
  const wide = random.between(1.15, 1.4);
  const foot = random.between(0.72, 0.92);
  const strokes = [
    shape([
      ...bend(0, dip, -0.5, -0.95, -0.82, -0.35),
      ...bend(-0.82, -0.35, -wide * 0.8, 0.55, -0.28, 0.9),
      ...bend(-0.28, 0.9, 0, foot, 0.28, 0.9),
      ...bend(0.28, 0.9, wide * 0.8, 0.55, 0.82, -0.35),
      ...bend(0.82, -0.35, 0.5, -0.95, 0, dip),
    ]),
  ];
  if (random.chance(0.85)) strokes.push(line(...bend(0, dip, 0, -0.75, random.between(-0.2, 0.25), -1)));
  if (random.chance(0.5))
    strokes.push(shape([...bend(0.05, -0.7, 0.2, -1.05, 0.55, -0.95), ...bend(0.55, -0.95, 0.35, -0.65, 0.05, -0.7)]));
  return strokes;
}

/** Class names in label order with what draws them. @type {readonly (readonly [name: string, draw: Drawing])[]} */
export const DRAWINGS = [
  ["sun", sun],
  ["flower", flower],
  ["cloud", cloud],
  ["tree", tree],
  ["umbrella", umbrella],
  ["mushroom", mushroom],
  ["house", house],
  ["envelope", envelope],
  ["fish", fish],
  ["leaf", leaf],
  ["heart", heart],
  ["apple", apple],
];
