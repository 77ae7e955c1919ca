// Open the page of a bundle in headless Chromium, do what a person would, and say what came out.
// Usage: node browser.mjs '{"url": ..., "chromium": ..., "strokes": {...}, "shots": "folder"}'

import { chromium } from "playwright-core";
import fs from "node:fs";

const job = JSON.parse(process.argv[2]);
const found = { requests: [], complaints: [], samples: {}, drawn: {}, keyed: null, shown: null };
const profile = fs.mkdtempSync("/tmp/chromium-");
const context = await chromium.launchPersistentContext(profile, {
  executablePath: job.chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
  viewport: { width: 1280, height: 900 },
});
const text = (page, id) => page.locator(`#${id}`).textContent();

async function open(size = { width: 1280, height: 900 }, scheme = "light") {
  const page = await context.newPage();
  page.on("request", (request) => found.requests.push(request.url()));
  page.on("console", (line) => line.type() === "error" && !/^(INFO|WARNING):/.test(line.text()) && found.complaints.push(line.text()));
  page.on("pageerror", (error) => found.complaints.push(String(error)));
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(job.url);
  await page.waitForFunction(
    () => document.body.dataset.ready || document.querySelector("#status.bad"),
    null, { timeout: 60000 },
  );
  return page;
}

/** Draw strokes, lists of points in 0..1, on the pad with the mouse; return the answer. */
async function draw(page, strokes) {
  await page.click("#clear");
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const box = await page.locator("#pad").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  for (const [first, ...rest] of strokes) {
    await page.mouse.move(...at(first));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...at(point), { steps: 4 });
    await page.mouse.up();
  }
  await page.waitForTimeout(150);
  return text(page, "answer");
}

const page = await open();
found.status = await text(page, "status");
found.title = await page.title();
if (await page.evaluate(() => document.body.dataset.ready)) {
  found.isolated = await page.evaluate(() => crossOriginIsolated);
  for (const format of await page.locator("#format option").allTextContents()) {
    await page.selectOption("#format", format);
    await page.waitForFunction(() => document.querySelector("#status").hidden);
    await page.click("#check");
    await page.waitForFunction(() => document.querySelector("#checked").className !== "small");
    found.samples[format] = await text(page, "checked");
    await page.evaluate(() => (document.querySelector("#checked").className = "small"));
  }
  await page.selectOption("#format", { index: 0 });
  await page.waitForFunction(() => document.querySelector("#status").hidden);
  for (const [name, strokes] of Object.entries(job.strokes ?? {})) {
    found.drawn[name] = await draw(page, strokes);
  }
  if (job.keys) {
    await page.click("#clear");
    await page.focus("#pad");
    for (const key of job.keys) await page.keyboard.press(key);
    await page.waitForTimeout(150);
    found.keyed = await text(page, "answer");
  }
  if (job.photo) {
    await page.setInputFiles("#file", job.photo);
    await page.waitForTimeout(500);
    found.shown = await text(page, "answer");
  }
  if (job.camera) {
    await page.click("#film");
    await page.waitForFunction(() => document.querySelector("#time").textContent && !document.querySelector("#camera").hidden);
    await page.waitForTimeout(600);
    found.filmed = await text(page, "answer");
    await page.click("#film");
  }
  for (const [name, width, scheme] of job.shots ? job.sizes : []) {
    const other = await open({ width, height: 900 }, scheme);
    const strokes = Object.values(job.strokes ?? {})[3];
    if (strokes) await draw(other, strokes);
    else await other.locator("#gallery button").nth(2).click();
    await other.waitForTimeout(500);
    await other.screenshot({ path: `${job.shots}/${name}.png`, fullPage: true });
    found.wider = await other.evaluate(() => document.documentElement.scrollWidth > innerWidth) || Boolean(found.wider);
    await other.close();
  }
}
await context.close();
fs.rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify(found));
