/** Reading a step's fields. `step` is the address of its first word. */

/** The int32 at word `index` of a step. */
export function word(step: usize, index: i32): i32 {
  return load<i32>(step + ((<usize>index) << 2));
}

/** The float32 whose bits stand at word `index` of a step. */
export function floatWord(step: usize, index: i32): f32 {
  return load<f32>(step + ((<usize>index) << 2));
}

/** The address in memory that word `index` names: an offset from the data region. */
export function address(step: usize, index: i32, data: usize): usize {
  return data + <usize>load<i32>(step + ((<usize>index) << 2));
}
