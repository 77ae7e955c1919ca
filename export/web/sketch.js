// A drawn figure, laid into an image as the figures of the training data lie in theirs: scaled,
// centred and stroked alike ("drawing" in model.json, measured when the bundle was made).

const FINE = 8; // the figure is drawn this much finer, then averaged

/** Strokes, lists of [x, y] in any unit, as an `ImageData` at the data's own resolution. */
export function render(strokes, drawing) {
  const [height, width] = drawing.size;
  const thick = drawing.stroke * Math.max(height, width);
  const placed = fit(strokes, drawing, thick);
  let ink = cover(placed, drawing, thick);
  if (drawing.centred_by === "mass") {
    const [x, y] = mass(ink, width);
    const shift = [drawing.centre[0] * width - x, drawing.centre[1] * height - y];
    ink = cover(placed.map((s) => s.map(([a, b]) => [a + shift[0], b + shift[1]])), drawing, thick);
  }
  const image = new ImageData(width, height);
  ink.forEach((share, i) => {
    const level = Math.round(drawing.paper + share * (drawing.ink - drawing.paper));
    image.data.set([level, level, level, 255], 4 * i);
  });
  return image;
}

/** Strokes in pixels of the image, their box as long as the data's and centred. */
function fit(strokes, { size: [height, width], extent, centre }, thick) {
  const points = strokes.flat();
  const low = [0, 1].map((k) => Math.min(...points.map((p) => p[k])));
  const high = [0, 1].map((k) => Math.max(...points.map((p) => p[k])));
  const sides = [width, height];
  const scales = [0, 1].map((k) => (extent * sides[k] - thick) / (high[k] - low[k] || 1e-9));
  const scale = Math.max(0, Math.min(...scales));
  const place = (p, k) => (p[k] - (low[k] + high[k]) / 2) * scale + centre[k] * sides[k];
  return strokes.map((stroke) => stroke.map((p) => [place(p, 0), place(p, 1)]));
}

/** How much of each pixel the strokes cover, 0..1. */
function cover(strokes, { size: [height, width] }, thick) {
  const canvas = new OffscreenCanvas(width * FINE, height * FINE);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.scale(FINE, FINE);
  Object.assign(pen, { lineWidth: thick, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
  for (const stroke of strokes) {
    pen.beginPath();
    stroke.forEach(([x, y]) => pen.lineTo(x, y));
    if (stroke.length === 1) pen.lineTo(stroke[0][0] + 1e-3, stroke[0][1]);
    pen.stroke();
  }
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const shares = new Float64Array(width * height);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const at = Math.floor(y / FINE) * width + Math.floor(x / FINE);
      shares[at] += data[4 * (y * canvas.width + x) + 3] / (255 * FINE * FINE);
    }
  }
  return shares;
}

function mass(ink, width) {
  let [sum, x, y] = [0, 0, 0];
  ink.forEach((share, i) => {
    sum += share;
    x += share * ((i % width) + 0.5);
    y += share * (Math.floor(i / width) + 0.5);
  });
  return sum ? [x / sum, y / sum] : [0, 0];
}
