"""The page in headless Chromium: it draws, sees and answers as model.json says, and stays here."""

import base64
import hashlib
import html.parser
import json
import math
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from export import card as cards
from export import page, runtime, serve
from pipelines import decode

CLIENTS = Path(__file__).parent / "clients"
OTHERS = [Path(p).resolve() for p in os.environ.get("KERAS_CNNS_BUNDLES", "").split(":") if p]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WEB = page.WEB
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")


@pytest.fixture(params=["ours", *OTHERS], ids=lambda p: getattr(p, "name", p))
def bundle(request):
    """A bundle's folder."""
    return request.getfixturevalue("bundled") if request.param == "ours" else request.param


def arc(x, y, width, height, start, end, points=24):
    """Points of an ellipse, in degrees from the right, clockwise."""
    turns = [math.radians(start + (end - start) * i / points) for i in range(points + 1)]
    return [[x + width * math.cos(t), y + height * math.sin(t)] for t in turns]


# One way to write each digit, as strokes on a pad of 1 x 1. The seven is crossed, as most of the
# people wrote it whose digits are embedded in scikit-learn.
STROKES = {
    "0": [arc(0.5, 0.5, 0.2, 0.3, -90, 270)],
    "1": [[[0.42, 0.3], [0.52, 0.2], [0.52, 0.8]]],
    "2": [[*arc(0.5, 0.36, 0.18, 0.16, 190, 370), [0.6, 0.5], [0.32, 0.8], [0.72, 0.8]]],
    "3": [arc(0.48, 0.35, 0.17, 0.15, 200, 440) + arc(0.48, 0.65, 0.2, 0.16, -80, 160)],
    "4": [[[0.55, 0.2], [0.3, 0.58], [0.72, 0.58]], [[0.6, 0.42], [0.6, 0.82]]],
    "5": [[[0.68, 0.2], [0.38, 0.2], [0.35, 0.47], *arc(0.48, 0.62, 0.19, 0.18, -130, 150)]],
    "6": [[[0.6, 0.18], [0.45, 0.3], [0.35, 0.5], *arc(0.5, 0.64, 0.16, 0.16, 180, 540)]],
    "7": [[[0.3, 0.22], [0.7, 0.22], [0.45, 0.8]], [[0.38, 0.5], [0.68, 0.5]]],
    "8": [arc(0.5, 0.35, 0.15, 0.15, 90, 450) + arc(0.5, 0.65, 0.18, 0.16, -90, 270)],
    "9": [[*arc(0.5, 0.36, 0.16, 0.16, 0, 360), [0.66, 0.36], [0.64, 0.6], [0.55, 0.82]]],
}
KEYS = [" ", *["ArrowDown"] * 45, " "]  # a stroke straight down
SIZES = [
    [f"{name}-{scheme}", width, scheme]
    for name, width in (("phone", 390), ("desk", 1280))
    for scheme in ("light", "dark")
]


@pytest.fixture
def browse(tmp_path):
    """Serve a bundle, and do in Chromium what browser.mjs is told."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    modules = CLIENTS / "node_modules"
    if not (modules / "playwright-core").is_dir():
        pytest.skip("playwright-core is not installed; make clients does it")

    def run(folder, **job):
        card = cards.read_card(folder)
        files = serve.table(folder, card, runtime.find(folder, modules))
        shots = Path(os.environ.get("KERAS_CNNS_SHOTS", tmp_path)) / folder.parent.name
        shots.mkdir(parents=True, exist_ok=True)
        with serve.server(files, "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            job |= {
                "url": f"http://127.0.0.1:{server.server_address[1]}/",
                "chromium": CHROMIUM, "shots": str(shots),
            }  # fmt: skip
            command = ["node", str(CLIENTS / "browser.mjs"), json.dumps(job)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=400)
            server.shutdown()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_page_answers_as_the_card_says_and_stays_on_loopback(bundle, browse):
    card = cards.read_card(bundle)
    drawing = bool(card.get("drawing"))
    job = {"strokes": STROKES, "keys": KEYS} if drawing else {}
    photo = bundle / "samples" / "turned.jpg"
    found = browse(bundle, photo=str(photo), camera=True, sizes=SIZES, **job)
    assert (found["status"], found["complaints"]) == ("", [])
    assert found["title"] == card["name"]
    assert found["isolated"]
    assert {urlsplit(url).hostname for url in found["requests"]} == {"127.0.0.1"}
    count = len(card["samples"]["images"])
    assert "uint8" in found["samples"]
    for name, words in found["samples"].items():
        assert words == f"{count} of {count} within one step of model.json ({name})"
    scores = next(i for i in card["samples"]["images"] if i["file"].endswith("turned.jpg"))
    assert found["shown"] == max(scores["scores"]["uint8"], key=scores["scores"]["uint8"].get)
    assert found["filmed"] in card["labels"]
    assert not found["wider"]  # no sideways scrolling on any screen
    if drawing:
        right = [digit for digit in STROKES if found["drawn"][digit] == digit]
        # The short training of these tests reads 95% of its own digits.
        assert len(right) >= 9, found["drawn"]
        assert found["keyed"] == "1"
    print(f"\n{bundle}: {found['samples']}, drawn {found['drawn']}")


@needs_node
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "shape, size",
    [((8, 8), (32, 32)), ((8, 8), (28, 28)), ((100, 75), (32, 32)), ((7, 13), (29, 5)),
     ((1, 1), (8, 8)), ((32, 32), (32, 32)), ((211, 317), (96, 96))],
)  # fmt: skip
def test_the_page_resizes_bit_for_bit_as_training_did(channels, shape, size, tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rgba = np.concatenate([image, np.full((*shape, 1), 255, np.uint8)], axis=2)
    rgba.tofile(tmp_path / "rgba")
    shutil.copy(WEB / "pixels.js", tmp_path / "pixels.mjs")
    (tmp_path / "run.mjs").write_text(
        "import fs from 'node:fs'; import { flatten, resize } from './pixels.mjs';\n"
        f"const image = flatten(fs.readFileSync('rgba'), {channels});\n"
        f"const shape = {[*shape, channels]};\n"
        f"fs.writeFileSync('out', resize(image, shape, {list(size)}));\n"
    )
    subprocess.run(["node", "run.mjs"], cwd=tmp_path, check=True)
    found = np.fromfile(tmp_path / "out", np.uint8).reshape(*size, channels)
    np.testing.assert_array_equal(found, decode.to_size(image, (*size, channels)).numpy())


class Tags(html.parser.HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):  # noqa: D102, named by its base
        self.found.append((tag, dict(attributes)))


def test_the_page_may_reach_nothing_but_its_own_files():
    text = (WEB / "index.html").read_text()
    tags = Tags(text).found
    policy = next(a["content"] for _, a in tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'") and "unsafe-inline" not in policy
    script = re.search(r'<script type="importmap">(.*?)</script>', text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    for file in WEB.iterdir():
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|eval\(|document\.write|"
                             r"sendBeacon|localStorage", file.read_text()), file  # fmt: skip


def test_every_control_can_be_reached_and_has_a_name():
    tags = Tags((WEB / "index.html").read_text()).found
    ids = {a["id"] for _, a in tags if "id" in a}
    for tag, attributes in tags:
        if tag == "canvas" and attributes["id"] == "pad":
            assert attributes["tabindex"] == "0" and attributes["aria-label"]
        for other in ("aria-labelledby", "aria-describedby", "for"):
            assert attributes.get(other, next(iter(ids))) in ids
    labelled = {a["for"] for tag, a in tags if tag == "label"}
    assert all(a["id"] in labelled for tag, a in tags if tag == "select")
    used = set(re.findall(r'\$\("([a-z-]+)"\)', (WEB / "app.js").read_text()))
    assert used <= ids


def test_a_bundle_holds_the_page_whole(bundled):
    for file in WEB.iterdir():
        name = file.name if file.name == page.INDEX else f"web/{file.name}"
        assert (bundled / name).read_bytes() == file.read_bytes()
