// From any image to what the model takes: the transform that training was evaluated with, number
// for number ("preprocessing" in model.json says it in words). Float32 at each step, as there.

const f32 = Math.fround;
const LUMA = [f32(0.299), f32(0.587), f32(0.114)]; // ITU-R BT.601

/** RGBA bytes laid on white, as float32 of `channels` (1: grey, 3: RGB). */
export function flatten(rgba, channels) {
  const count = rgba.length / 4;
  const out = new Float32Array(count * channels);
  const colour = new Float32Array(3);
  for (let i = 0; i < count; i++) {
    const alpha = f32(rgba[4 * i + 3] / 255);
    for (let c = 0; c < 3; c++) {
      const value = rgba[4 * i + c];
      colour[c] =
        rgba[4 * i + 3] === 255
          ? value
          : roundEven(f32(f32(value * alpha) + f32(255 * f32(1 - alpha))));
    }
    if (channels === 3) {
      out.set(colour, 3 * i);
    } else {
      out[i] = f32(
        f32(f32(colour[0] * LUMA[0]) + f32(colour[1] * LUMA[1])) + f32(colour[2] * LUMA[2]),
      );
    }
  }
  return out;
}

/** Bilinear, antialiased where it shrinks; rounds half to even; bytes of (height, width, channels). */
export function resize(values, [height, width, channels], [toHeight, toWidth]) {
  let image = values;
  if (height !== toHeight || width !== toWidth) {
    const rows = gather(image, 1, height, width * channels, spans(height, toHeight));
    image = gather(rows, toHeight, width, channels, spans(width, toWidth));
  }
  return Uint8Array.from(image, (value) => Math.min(255, Math.max(0, roundEven(value))));
}

/** For each output position the first input position and the weights of it and the next ones. */
export function spans(from, to) {
  const inverse = f32(1 / f32(to / from));
  const reach = Math.max(inverse, 1); // a triangle, wider where it shrinks
  const overReach = f32(1 / reach);
  return Array.from({ length: to }, (_, x) => {
    const centre = f32(f32(x + 0.5) * inverse);
    const clamp = (i) => Math.min(from - 1, Math.max(0, i));
    const start = clamp(Math.ceil(f32(f32(centre - reach) - 0.5)));
    const end = clamp(Math.floor(f32(f32(centre + reach) - 0.5)));
    const weights = [];
    let sum = 0;
    for (let i = start; i <= end; i++) {
      const away = Math.abs(f32(f32(f32(i + 0.5) - centre) * overReach));
      weights.push(away < 1 ? f32(1 - away) : 0);
      sum = f32(sum + weights.at(-1));
    }
    return { start, weights: weights.map((weight) => f32(weight * f32(1 / sum))) };
  });
}

/** Weighted sums along the middle axis of an (outer, length, inner) array. */
function gather(values, outer, length, inner, spans) {
  const out = new Float32Array(outer * spans.length * inner); // rounds at each step
  for (let o = 0; o < outer; o++) {
    spans.forEach(({ start, weights }, x) => {
      const to = (o * spans.length + x) * inner;
      weights.forEach((weight, k) => {
        const at = (o * length + start + k) * inner;
        for (let i = 0; i < inner; i++) out[to + i] += f32(weight * values[at + i]);
      });
    });
  }
  return out;
}

/** Round half to even, as numpy and TensorFlow do. */
export function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
