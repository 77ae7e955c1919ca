// The bundle's own images and what each file answered to them when it was made.

/** Decode an image file upright, without colour management, as `ImageData`. */
export async function decode(blob) {
  const options = { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(blob, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** How far the answers to one sample are from those in model.json, in steps of the format. */
export function distance(card, sample, format, scores) {
  const expected = Object.entries(sample.scores[format]);
  const apart = expected.map(([label, score]) => Math.abs(scores[card.labels.indexOf(label)] - score));
  return Math.max(...apart) / card.samples.within[format];
}
