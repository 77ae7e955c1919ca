// One .tflite file of the bundle, run by LiteRT.js in this page.

import { flatten, resize } from "./pixels.js";

const RUNTIME = new URL("../runtime/", import.meta.url);
const READABLE = ["uint8", "float32"]; // the kinds of numbers that LiteRT.js takes and gives

let starting; // the runtime is started once

async function runtime() {
  starting ??= (async () => {
    const litert = await import(new URL("index.js", RUNTIME));
    await litert.loadLiteRt(new URL("wasm/", RUNTIME).href);
    return litert;
  })();
  return starting;
}

/** Names of the formats that a browser can run, the integer one first. */
export function runnable(card) {
  const able = ({ file, input, output }) =>
    file.endsWith(".tflite") && READABLE.includes(input.dtype) && READABLE.includes(output.dtype);
  const names = Object.keys(card.formats).filter((name) => able(card.formats[name]));
  return names.sort((a, b) => (b === "uint8") - (a === "uint8"));
}

export class Classifier {
  /** Load one format of the bundle that model.json at `base` describes. */
  static async load(card, name, base) {
    const entry = card.formats[name];
    const { loadAndCompile, Tensor } = await runtime();
    const model = await loadAndCompile(new URL(entry.file, base).href, { accelerator: "wasm" });
    return new Classifier(entry, model, Tensor);
  }

  constructor(entry, model, Tensor) {
    Object.assign(this, { entry, model, Tensor });
    this.shape = entry.input.shape.slice(1); // [height, width, channels]
  }

  /** What the model sees of an `ImageData`: bytes of its shape. */
  pixels({ data, width, height }) {
    const channels = this.shape[2];
    return resize(flatten(data, channels), [height, width, channels], this.shape);
  }

  /** Probabilities of all classes, as the file's integers mean them. */
  async classify(pixels) {
    const { input, output } = this.entry;
    const values = input.dtype === "uint8" ? pixels : Float32Array.from(pixels);
    const tensor = new this.Tensor(values, [1, ...this.shape]);
    const [answer] = await this.model.run([tensor]);
    const stored = Array.from(await answer.data());
    tensor.delete();
    answer.delete();
    const { scale, zero_point: zero = 0 } = output;
    return scale ? stored.map((value) => (value - zero) * scale) : stored;
  }

  delete() {
    this.model.delete();
  }
}
