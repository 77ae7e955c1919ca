// A pad to draw on, by mouse, finger, pen, or the arrow keys.

const STEP = 4; // pixels of an arrow key; ten times that with Shift would leave the pad at once

/** Makes a canvas a pad; `changed(strokes)` follows each change. Returns its commands. */
export function pad(canvas, changed) {
  const pen = canvas.getContext("2d");
  const cursor = { x: canvas.width / 2, y: canvas.height / 4, down: false };
  let strokes = [];
  let keyed = false; // the cursor is shown once a key was used

  const show = () => {
    const ink = getComputedStyle(canvas);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    Object.assign(pen, { lineCap: "round", lineJoin: "round", lineWidth: canvas.width / 14 });
    pen.strokeStyle = ink.color;
    for (const stroke of strokes) {
      pen.beginPath();
      stroke.forEach(([x, y]) => pen.lineTo(x, y));
      if (stroke.length === 1) pen.lineTo(stroke[0][0] + 0.01, stroke[0][1]);
      pen.stroke();
    }
    if (keyed) {
      Object.assign(pen, { lineWidth: 2, strokeStyle: ink.accentColor });
      pen.beginPath();
      pen.arc(cursor.x, cursor.y, cursor.down ? 6 : 10, 0, 7);
      pen.stroke();
    }
  };
  const update = () => {
    show();
    changed(strokes);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    keyed = cursor.down = false;
    strokes.push([place(event)]);
    update();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const at of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1).push(place(at));
    update();
  });

  const clear = () => {
    strokes = [];
    cursor.down = false;
    update();
  };
  const undo = () => {
    strokes.pop();
    cursor.down = false;
    update();
  };
  const move = (dx, dy) => {
    const inside = (value, limit) => Math.min(limit, Math.max(0, value));
    cursor.x = inside(cursor.x + dx * STEP, canvas.width);
    cursor.y = inside(cursor.y + dy * STEP, canvas.height);
    if (cursor.down) strokes.at(-1).push([cursor.x, cursor.y]);
  };
  const keys = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    " ": () => {
      cursor.down = !cursor.down;
      if (cursor.down) strokes.push([[cursor.x, cursor.y]]);
    },
    Backspace: undo,
    Escape: clear,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keyed = true;
    keys[event.key]();
    update();
  });
  canvas.addEventListener("blur", () => {
    keyed = cursor.down = false;
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  return { clear, undo };
}
