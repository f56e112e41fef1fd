/** SUPPRESS: each image and class by itself, the boxes in order by TOP_K's heap. */
import * as Suppress from "../../format/steps/suppress.ts";
import { address, word } from "../words.ts";
import { selectRow } from "./top-k.ts";

/** Flags of selectRow: the largest first, of equal ones the first. */
const LARGEST: i32 = 1;

export function suppress(step: usize, data: usize): void {
  const count = word(step, Suppress.COUNT);
  const classes = word(step, Suppress.CLASSES);
  const order = address(step, Suppress.SCRATCH, data);
  const dst = address(step, Suppress.DST, data);
  const limit = word(step, Suppress.LIMIT);
  const iou = word(step, Suppress.IOU) < 0 ? <f32>0 : load<f32>(address(step, Suppress.IOU, data));
  const isBounded = word(step, Suppress.SCORE) >= 0;
  const bound = isBounded ? load<f32>(address(step, Suppress.SCORE, data)) : <f32>0;
  const isCentred = word(step, Suppress.CENTRED) != 0;
  memory.fill(dst, 0, <usize>(word(step, Suppress.BATCH) * classes * limit) * 24);
  let at = dst;
  let scores = address(step, Suppress.SCORES, data);
  let boxes = address(step, Suppress.BOXES, data);
  for (let image = 0; image < word(step, Suppress.BATCH); image++) {
    for (let kind = 0; kind < classes; kind++) {
      selectRow<f32>(scores, 4, count, order, count, LARGEST);
      const first = at;
      for (let i = 0; i < count && <i32>(at - first) < limit * 24; i++) {
        const box = load<i32>(order + (<usize>i << 2));
        const score = load<f32>(scores + (<usize>box << 2));
        // A NaN stands before all numbers and is above no bound.
        if (isBounded && !(score > bound)) continue;
        if (isCovered(boxes, box, first, at, iou, isCentred)) continue;
        store<i64>(at, <i64>image);
        store<i64>(at, <i64>kind, 8);
        store<i64>(at, <i64>box, 16);
        at += 24;
      }
      scores += <usize>count << 2;
    }
    boxes += <usize>count << 4;
  }
  store<i32>(address(step, Suppress.TOTAL, data), <i32>((at - dst) / 24));
}

/** Whether a box overlaps one of those chosen, from `first` to `end`. */
function isCovered(boxes: usize, box: i32, first: usize, end: usize, iou: f32, isCentred: bool): bool {
  for (let chosen = first; chosen < end; chosen += 24) {
    if (overlap(boxes + (<usize>box << 4), boxes + (<usize>load<i64>(chosen, 16) << 4), isCentred) > iou) return true;
  }
  return false;
}

/** Intersection over union of two boxes; 0 where one is empty. */
function overlap(a: usize, b: usize, isCentred: bool): f32 {
  const height = max<f32>(0, min(high(a, 0, isCentred), high(b, 0, isCentred)) - max(low(a, 0, isCentred), low(b, 0, isCentred)));
  const width = max<f32>(0, min(high(a, 1, isCentred), high(b, 1, isCentred)) - max(low(a, 1, isCentred), low(b, 1, isCentred)));
  const areaA = (high(a, 0, isCentred) - low(a, 0, isCentred)) * (high(a, 1, isCentred) - low(a, 1, isCentred));
  const areaB = (high(b, 0, isCentred) - low(b, 0, isCentred)) * (high(b, 1, isCentred) - low(b, 1, isCentred));
  const common = height * width;
  if (!(areaA > 0) || !(areaB > 0)) return 0;
  return common / (areaA + areaB - common);
}

function low(box: usize, axis: usize, isCentred: bool): f32 {
  if (isCentred) return load<f32>(box + (axis << 2)) - load<f32>(box + (axis << 2), 8) * 0.5;
  return min(load<f32>(box + (axis << 2)), load<f32>(box + (axis << 2), 8));
}

function high(box: usize, axis: usize, isCentred: bool): f32 {
  if (isCentred) return load<f32>(box + (axis << 2)) + load<f32>(box + (axis << 2), 8) * 0.5;
  return max(load<f32>(box + (axis << 2)), load<f32>(box + (axis << 2), 8));
}
