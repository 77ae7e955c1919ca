// The page of a bundle: an image in, bars out. Everything that is shown comes from model.json.

import { Classifier, runnable } from "./classifier.js";
import { pad } from "./pad.js";
import { decode, distance } from "./samples.js";
import { render } from "./sketch.js";

const BASE = new URL("../", import.meta.url);
const LONGEST = 10; // bars; with more classes the best ones
const PAUSE = 150; // milliseconds between two frames of the camera
const $ = (id) => document.getElementById(id);

let card;
let classifier;
let latest; // the image that is shown, to be classified again when the file changes
let filming; // the camera's stream

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = kind;
  $("status").hidden = !text;
}

/** Run something that may fail, and say so in a sentence instead of in the console. */
async function attempt(what, action) {
  try {
    return await action();
  } catch (error) {
    say(`${what}: ${error.message}`, "bad");
    return undefined;
  }
}

async function fetchJson(name) {
  const response = await fetch(new URL(name, BASE));
  if (!response.ok) throw new Error(`${name} is not there (${response.status})`);
  return response.json();
}

async function choose(name) {
  say(`Loading ${card.formats[name].file}…`);
  const next = await Classifier.load(card, name, BASE);
  classifier?.delete();
  classifier = next;
  say("");
}

async function classify(image) {
  latest = image;
  const pixels = classifier.pixels(image);
  const start = performance.now();
  const scores = await classifier.classify(pixels);
  const spent = performance.now() - start;
  if (latest !== image) return scores; // a newer one is under way
  showSeen(pixels, classifier.shape);
  showBars(scores);
  $("time").textContent = `${spent.toFixed(spent < 10 ? 1 : 0)} ms in this browser`;
  return scores;
}

function showSeen(pixels, [height, width, channels]) {
  const canvas = $("seen");
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const at = channels === 3 ? [3 * i, 3 * i + 1, 3 * i + 2] : [i, i, i];
    image.data.set([...at.map((j) => pixels[j]), 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  $("seen-note").textContent = `What the model sees, ${width} × ${height}`;
}

function showBars(scores) {
  const ranked = card.labels.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const shown = card.labels.length <= LONGEST ? card.labels.map((_, i) => i) : ranked.slice(0, LONGEST);
  $("bars").replaceChildren(...shown.map((i) => bar(card.labels[i], scores[i], i === ranked[0])));
  $("bars").classList.toggle("long", shown.some((i) => card.labels[i].length > 3));
  $("answer").textContent = card.labels[ranked[0]];
}

function bar(label, score, best) {
  const item = document.createElement("li");
  item.classList.toggle("best", best);
  const [name, track, fill, share] = ["label", "track", "fill", "share"].map((part) => {
    const element = document.createElement(part === "track" || part === "fill" ? "div" : "span");
    element.className = part;
    return element;
  });
  name.textContent = name.title = label;
  share.textContent = `${(100 * score).toFixed(1)}%`;
  fill.style.width = share.textContent;
  track.append(fill);
  item.append(name, track, share);
  return item;
}

/** Show a photo in the drop zone and classify it. */
async function look(blob) {
  stopFilming();
  const image = await decode(blob);
  Object.assign($("shown"), { width: image.width, height: image.height, hidden: false });
  $("shown").getContext("2d").putImageData(image, 0, 0);
  $("drop-help").hidden = true;
  return classify(image);
}

async function film() {
  if (filming) return stopFilming();
  if (!navigator.mediaDevices) throw new Error("only pages from this machine or over https may");
  filming = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const stream = filming;
  const video = $("camera");
  video.srcObject = stream;
  await video.play();
  video.hidden = false;
  $("shown").hidden = $("drop-help").hidden = true;
  $("film").setAttribute("aria-pressed", "true");
  $("film").textContent = "Stop the camera";
  $("answer").setAttribute("aria-live", "off"); // a reader would never come to an end
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  while (filming === stream) {
    context.drawImage(video, 0, 0);
    await classify(context.getImageData(0, 0, canvas.width, canvas.height));
    await new Promise((resume) => setTimeout(resume, PAUSE));
  }
}

function stopFilming() {
  filming?.getTracks().forEach((track) => track.stop());
  filming = undefined;
  $("camera").hidden = true;
  $("drop-help").hidden = !$("shown").hidden;
  $("film").setAttribute("aria-pressed", "false");
  $("film").textContent = "Use the camera";
  $("answer").setAttribute("aria-live", "polite");
}

async function sample(entry) {
  const response = await fetch(new URL(entry.file, BASE));
  if (!response.ok) throw new Error(`${entry.file} is not there`);
  return response.blob();
}

function showGallery() {
  const items = card.samples.images.map((entry) => {
    const [item, button, image, label] = ["li", "button", "img", "span"].map((tag) =>
      document.createElement(tag),
    );
    image.src = new URL(entry.file, BASE);
    image.alt = "";
    label.textContent = button.title = entry.label;
    button.type = "button";
    button.append(image, label);
    button.addEventListener("click", () =>
      attempt("This sample cannot be shown", async () => look(await sample(entry))),
    );
    item.append(button);
    return item;
  });
  $("gallery").replaceChildren(...items);
}

/** Hold this browser's answers to every sample against those in model.json. */
async function check() {
  const format = $("format").value;
  const far = [];
  for (const entry of card.samples.images) {
    const pixels = classifier.pixels(await decode(await sample(entry)));
    const apart = distance(card, entry, format, await classifier.classify(pixels));
    if (!(apart <= 1 + 1e-6)) far.push(`${entry.file} by ${apart.toFixed(1)}`);
  }
  const count = card.samples.images.length;
  $("checked").textContent = far.length
    ? `Apart by more than one step: ${far.join(", ")}`
    : `${count} of ${count} within one step of model.json (${format})`;
  $("checked").className = `small ${far.length ? "bad" : "good"}`;
}

function describe() {
  document.title = $("name").textContent = card.name;
  const [height, width, channels] = card.input.shape;
  const facts = [
    `${card.labels.length} classes`,
    `${width} × ${height} ${channels === 1 ? "grey" : "colour"}`,
  ];
  $("facts").textContent = facts.join(" · ");
}

/** Add the accuracy that was measured when the bundle was made. */
async function describeAccuracy() {
  const { images, formats } = await fetchJson("verify.json");
  const { accuracy, accuracy_95: interval } = formats[$("format").value];
  const [low, high] = interval.map((share) => (100 * share).toFixed(1));
  const words = `${(100 * accuracy).toFixed(2)}% of ${images} held-out images (95%: ${low} to ${high})`;
  $("facts").textContent += ` · ${words}`;
}

function listen() {
  const again = () => latest && classify(latest);
  $("format").addEventListener("change", () =>
    attempt("This file cannot be run", async () => {
      await choose($("format").value);
      describe();
      await describeAccuracy();
      $("checked").textContent = "";
      await again();
    }),
  );
  const show = (blob) => blob && attempt("This file is no image that can be shown", () => look(blob));
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", ({ target }) => {
    show(target.files[0]);
    target.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => show(clipboardData.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    show(event.dataTransfer.files[0]);
  });
  $("film").addEventListener("click", () => attempt("The camera cannot be used", film));
  $("check").addEventListener("click", () => attempt("The check stopped", check));
}

function letDraw() {
  $("draw").hidden = false;
  document.querySelector("main").classList.remove("photos");
  const commands = pad($("pad"), (strokes) => {
    if (strokes.length) attempt("The drawing cannot be read", () => classify(render(strokes, card.drawing)));
  });
  $("undo").addEventListener("click", commands.undo);
  $("clear").addEventListener("click", commands.clear);
}

await attempt("The page cannot start", async () => {
  say("Loading…");
  card = await fetchJson("model.json");
  const names = runnable(card);
  if (!names.length) throw new Error("this bundle has no file that a browser can run (uint8 or float32)");
  describe();
  $("format").replaceChildren(...names.map((name) => new Option(name, name)));
  await choose(names[0]);
  await describeAccuracy();
  showGallery();
  listen();
  if (card.drawing) letDraw();
  showBars(card.labels.map(() => 0));
  $("answer").textContent = "Nothing yet";
  document.querySelector("main").hidden = false;
  document.body.dataset.ready = names[0];
});
