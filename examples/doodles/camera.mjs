/**
 * Puts a drawing on paper and takes a bad photograph of it: hand jitter, pose and perspective, pen and colour, clutter, something
 * lying on top, uneven light, blur and noise. Images are SIZE × SIZE RGB. How bad it is, the `trouble` in [0, 1], differs from
 * picture to picture: some are clean, some are hard for people too.
 *
 * Arithmetic is + − × ÷ √ only, so the bytes do not depend on the engine.
 */
import { DRAWINGS } from "./drawings.mjs";
import { cosTurns, sinTurns } from "./random.mjs";

/** @typedef {import("./random.mjs").RandomStream} RandomStream */
/** @typedef {import("./drawings.mjs").Stroke} Stroke */
/** @typedef {readonly [red: number, green: number, blue: number]} Colour each in [0, 1] */
/** @typedef {(x: number, y: number) => readonly [x: number, y: number]} Pose from the drawing's box to pixels */

export const SIZE = 32;
const PIXELS = SIZE * SIZE;

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Where and how the drawing lies in the picture.
 *
 * @param {RandomStream} random @param {number} trouble
 * @returns {Pose}
 */
function randomPose(random, trouble) {
  const turns = (0.04 + 0.08 * trouble) * random.between(-1, 1);
  const scale = (SIZE / 2) * random.between(0.75 - 0.25 * trouble, 0.86);
  const aspect = random.between(0.82, 1.2);
  const shear = 0.25 * trouble * random.between(-1, 1);
  const mirror = random.chance(0.5) ? 1 : -1;
  const [tiltX, tiltY] = [0.25 * trouble * random.between(-1, 1), 0.25 * trouble * random.between(-1, 1)];
  const room = SIZE / 2 - scale * 0.85;
  const [centreX, centreY] = [SIZE / 2 + room * random.between(-1, 1), SIZE / 2 + room * random.between(-1, 1)];
  const [c, s] = [cosTurns(turns) * scale, sinTurns(turns) * scale];
  return (x, y) => {
    const across = mirror * x * aspect + shear * y;
    const down = y / aspect;
    const depth = 1 + tiltX * across + tiltY * down;
    return [centreX + (c * across - s * down) / depth, centreY + (s * across + c * down) / depth];
  };
}

/**
 * Pixel coordinates of a stroke as a hand draws it: every point off by a little, drifting from one to the next.
 *
 * @param {RandomStream} random @param {Stroke} stroke @param {Pose} pose @param {number} shake in units of the drawing's box
 */
function drawByHand(random, stroke, pose, shake) {
  const out = new Float64Array(stroke.points.length);
  let [driftX, driftY] = [shake * random.normal(), shake * random.normal()];
  for (let i = 0; i < out.length; i += 2) {
    driftX = 0.8 * driftX + 0.5 * shake * random.normal();
    driftY = 0.8 * driftY + 0.5 * shake * random.normal();
    const [x, y] = pose(stroke.points[i] + driftX, stroke.points[i + 1] + driftY);
    out[i] = x;
    out[i + 1] = y;
  }
  return out;
}

/**
 * Raises `coverage` (PIXELS, each in [0, 1]) along a line of `radius` pixels; each segment is left out with probability `skip`.
 *
 * @param {RandomStream} random @param {Float32Array} coverage @param {Float64Array} points @param {number} radius @param {number} skip
 */
function ink(random, coverage, points, radius, skip) {
  const reach = radius + 0.5;
  for (let i = 2; i < points.length; i += 2) {
    if (random.chance(skip)) continue;
    const [ax, ay] = [points[i - 2], points[i - 1]];
    const [dx, dy] = [points[i] - ax, points[i + 1] - ay];
    const scale = 1 / (dx * dx + dy * dy + 1e-9);
    const left = clamp(Math.floor(Math.min(ax, ax + dx) - reach), 0, SIZE);
    const right = clamp(Math.ceil(Math.max(ax, ax + dx) + reach), 0, SIZE);
    const top = clamp(Math.floor(Math.min(ay, ay + dy) - reach), 0, SIZE);
    const bottom = clamp(Math.ceil(Math.max(ay, ay + dy) + reach), 0, SIZE);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
        const along = clamp((px * dx + py * dy) * scale, 0, 1);
        const [ex, ey] = [px - along * dx, py - along * dy];
        const cover = clamp(reach - Math.sqrt(ex * ex + ey * ey), 0, 1);
        if (cover > coverage[y * SIZE + x]) coverage[y * SIZE + x] = cover;
      }
    }
  }
}

/**
 * Sets `coverage` to 1 inside a closed line (even-odd rule at pixel centres).
 *
 * @param {Float32Array} coverage @param {Float64Array} points
 */
function fill(coverage, points) {
  for (let y = 0; y < SIZE; y++) {
    const level = y + 0.5;
    const crossings = [];
    for (let i = 2; i < points.length; i += 2) {
      const [ay, by] = [points[i - 1], points[i + 1]];
      if (ay <= level !== by <= level) crossings.push(points[i - 2] + ((level - ay) / (by - ay)) * (points[i] - points[i - 2]));
    }
    crossings.sort((p, q) => p - q);
    for (let i = 1; i < crossings.length; i += 2) {
      const end = Math.min(SIZE, Math.ceil(crossings[i] - 0.5));
      for (let x = Math.max(0, Math.ceil(crossings[i - 1] - 0.5)); x < end; x++) coverage[y * SIZE + x] = 1;
    }
  }
}

/**
 * Lays `colour` over the picture where there is coverage.
 *
 * @param {Float32Array} picture [SIZE, SIZE, 3] @param {Float32Array} coverage @param {Colour} colour @param {number} opacity
 */
function lay(picture, coverage, colour, opacity) {
  for (let p = 0; p < PIXELS; p++) {
    const alpha = coverage[p] * opacity;
    if (alpha > 0) for (let c = 0; c < 3; c++) picture[3 * p + c] += alpha * (colour[c] - picture[3 * p + c]);
  }
}

/**
 * A colour of the given brightness.
 *
 * @param {RandomStream} random @param {number} brightness @param {number} saturation how far a channel may stray
 * @returns {Colour}
 */
function randomColour(random, brightness, saturation) {
  const stray = () => clamp(brightness + saturation * random.between(-1, 1), 0, 1);
  return [stray(), stray(), stray()];
}

/**
 * Draws one thing in pen and perhaps colour.
 *
 * @param {RandomStream} random @param {Float32Array} picture @param {readonly Stroke[]} strokes @param {Pose} pose
 * @param {Colour} penColour @param {Colour} washColour @param {number} trouble
 */
function draw(random, picture, strokes, pose, penColour, washColour, trouble) {
  const shake = 0.015 + 0.06 * trouble * random.uniform();
  const radius = random.between(0.7 - 0.35 * trouble, 1.1);
  const skip = random.chance(0.5 * trouble) ? random.between(0.05, 0.22) : 0;
  const lines = strokes.map((stroke) => drawByHand(random, stroke, pose, shake));
  if (random.chance(0.4)) {
    const wash = new Float32Array(PIXELS);
    for (let i = 0; i < lines.length; i++) if (strokes[i].filled) fill(wash, lines[i]);
    lay(picture, wash, washColour, random.between(0.25, 0.85));
  }
  const pen = new Float32Array(PIXELS);
  for (const points of lines) ink(random, pen, points, radius * random.between(0.85, 1.15), skip);
  const grain = 0.6 * trouble * random.uniform();
  for (let p = 0; p < PIXELS; p++) if (pen[p] > 0) pen[p] *= 1 - grain * random.uniform();
  lay(picture, pen, penColour, 1 - 0.4 * trouble * random.uniform());
}

/**
 * Ruled or squared paper.
 *
 * @param {RandomStream} random @param {Float32Array} picture @param {Colour} colour
 */
function rule(random, picture, colour) {
  const lines = new Float32Array(PIXELS);
  const step = random.between(4.5, 9);
  const slope = random.between(-0.25, 0.25);
  const squared = random.chance(0.5);
  for (let at = -SIZE + step * random.uniform(); at < 2 * SIZE; at += step) {
    ink(random, lines, Float64Array.of(0, at, SIZE, at + slope * SIZE), 0.2, 0);
    if (squared) ink(random, lines, Float64Array.of(at, 0, at - slope * SIZE, SIZE), 0.2, 0);
  }
  lay(picture, lines, colour, random.between(0.2, 0.6));
}

/**
 * A loose line that belongs to nothing.
 *
 * @param {RandomStream} random @param {Float32Array} picture @param {Colour} colour
 */
function scribble(random, picture, colour) {
  const points = new Float64Array(2 * random.integer(3, 7));
  let [x, y] = [random.between(0, SIZE), random.between(0, SIZE)];
  for (let i = 0; i < points.length; i += 2) {
    points[i] = x;
    points[i + 1] = y;
    x += 6 * random.normal();
    y += 6 * random.normal();
  }
  const lines = new Float32Array(PIXELS);
  ink(random, lines, points, random.between(0.2, 0.7), 0);
  lay(picture, lines, colour, random.between(0.4, 0.9));
}

/**
 * A slip of paper or a fingertip over a part of the drawing.
 *
 * @param {RandomStream} random @param {Float32Array} picture
 */
function cover(random, picture) {
  const turns = random.uniform();
  const away = random.between(6, 13);
  const [x, y] = [SIZE / 2 + away * cosTurns(turns), SIZE / 2 + away * sinTurns(turns)];
  const [half, long] = [random.between(2, 5), random.between(4, 10)];
  const tilt = random.uniform();
  const round = random.chance(0.5);
  const points = new Float64Array(26);
  for (let i = 0; i <= 12; i++) {
    const [c, s] = [cosTurns(i / 12), sinTurns(i / 12)];
    const grow = round ? 1 : 1 / Math.max(Math.abs(c), Math.abs(s));
    points[2 * i] = x + cosTurns(tilt) * long * c * grow - sinTurns(tilt) * half * s * grow;
    points[2 * i + 1] = y + sinTurns(tilt) * long * c * grow + cosTurns(tilt) * half * s * grow;
  }
  const slip = new Float32Array(PIXELS);
  fill(slip, points);
  lay(picture, slip, randomColour(random, random.between(0.2, 0.9), 0.25), 1);
}

/**
 * Light that falls off to one side, with a shadow's edge in some pictures, and a colour cast.
 *
 * @param {RandomStream} random @param {Float32Array} picture @param {number} trouble
 */
function light(random, picture, trouble) {
  const turns = random.uniform();
  const [c, s] = [cosTurns(turns), sinTurns(turns)];
  const fall = (0.4 * random.uniform()) / SIZE;
  const shadow = random.chance(0.6 * trouble) ? random.between(0.15, 0.5) : 0;
  const edge = random.between(-8, 8);
  const softness = random.between(1, 5);
  const cast = [random.between(0.85, 1.08), random.between(0.88, 1.05), random.between(0.8, 1.08)];
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const at = c * (x - SIZE / 2) + s * (y - SIZE / 2);
      const shade = 1 - fall * (at + SIZE / 2) - shadow * clamp((at - edge) / softness + 0.5, 0, 1);
      for (let channel = 0; channel < 3; channel++) picture[3 * (y * SIZE + x) + channel] *= shade * cast[channel];
    }
  }
}

/**
 * Smooths along one axis with the weights [w, 1 − 2w, w], edges repeated.
 *
 * @param {Float32Array} picture @param {number} step pixels to the neighbour: 1 along rows, SIZE along columns @param {number} weight
 */
function blur(picture, step, weight) {
  const source = picture.slice();
  for (let p = 0; p < PIXELS; p++) {
    const at = step === 1 ? p % SIZE : (p - (p % SIZE)) / SIZE;
    const before = 3 * (at > 0 ? p - step : p);
    const after = 3 * (at < SIZE - 1 ? p + step : p);
    for (let c = 0; c < 3; c++) picture[3 * p + c] += weight * (source[before + c] + source[after + c] - 2 * source[3 * p + c]);
  }
}

/**
 * Photographs one drawing of the class into `image`.
 *
 * @param {RandomStream} random
 * @param {number} label index into DRAWINGS
 * @param {Uint8Array} image [SIZE, SIZE, 3], overwritten
 */
export function photograph(random, label, image) {
  const picture = new Float32Array(3 * PIXELS);
  const trouble = random.uniform();
  const board = random.chance(0.3);
  const paperBrightness = board ? random.between(0.08, 0.3) : random.between(0.65, 0.95);
  const paper = randomColour(random, paperBrightness, 0.14);
  const contrast = random.between(0.55 - 0.25 * trouble, 0.75);
  const penBrightness = board ? paperBrightness + contrast : paperBrightness - contrast;
  const pen = randomColour(random, penBrightness, 0.25);
  const wash = () => randomColour(random, random.between(0.3, 0.8), 0.4);
  for (let p = 0; p < picture.length; p++) picture[p] = paper[p % 3];

  if (random.chance(0.7 * trouble)) rule(random, picture, randomColour(random, 0.5 * (paperBrightness + penBrightness), 0.2));
  if (random.chance(0.6 * trouble)) {
    const inside = randomPose(random, trouble);
    const turns = random.uniform();
    const [shiftX, shiftY] = [22 * cosTurns(turns), 22 * sinTurns(turns)];
    const neighbour = DRAWINGS[random.integer(0, DRAWINGS.length - 1)][1](random);
    /** @type {Pose} */
    const outside = (x, y) => {
      const [px, py] = inside(x, y);
      return [px + shiftX, py + shiftY];
    };
    draw(random, picture, neighbour, outside, pen, wash(), trouble);
  }
  draw(random, picture, DRAWINGS[label][1](random), randomPose(random, trouble), pen, wash(), trouble);
  for (let count = Math.floor(3 * trouble * random.uniform()); count > 0; count--)
    scribble(random, picture, random.chance(0.5) ? pen : wash());
  if (random.chance(0.7 * trouble)) cover(random, picture);

  light(random, picture, trouble);
  const [acrossBlur, downBlur] = [0.33 * trouble * random.uniform(), 0.33 * trouble * random.uniform()];
  blur(picture, 1, acrossBlur);
  blur(picture, SIZE, downBlur);
  const noise = 0.01 + 0.08 * trouble * random.uniform();
  for (let i = 0; i < picture.length; i++) image[i] = clamp(Math.round(255 * (picture[i] + noise * random.normal())), 0, 255);
}
