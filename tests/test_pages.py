"""Every command on a page is run as it is printed, in the order of its page, and every link leads.

What takes long is shortened by SHORTER, and by nothing else: words that are added behind the
printed ones, or stand for those of the same setting. What runs until it is stopped is in SERVERS.
What cannot run here is marked on the page, `sh not-run: REASON`, and counted below.
"""

import ast
import contextlib
import importlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from fnmatch import fnmatch

import numpy as np
import pytest
from PIL import Image

from keras_cnns.__main__ import COMMANDS
from pipelines.arguments import Parser
from tests import pages
from tests.pages import OURS, PAGES, ROOT

# Blocks that are parsed alone.
NOT_RUN = {"docs/results.md": 2, "docs/searching.md": 4, "docs/training.md": 1}
# A command whose words begin so, or match so: words added to it, and why.
SHORTER = (
    ("keras_cnns train *--resume*", "", "it is told all by its run"),
    ("keras_cnns train *--config *", "", "the same"),
    ("keras_cnns train *finetune*", "--epochs 2 finetune.head_epochs=1", "two passes fit too"),
    ("keras_cnns train *", "--epochs 2", "two passes, where the page's take minutes"),
    ("keras_cnns launch *", "--epochs 1", "one pass of the launched training"),
    ("keras_cnns find-rate *", "--steps 12", "the curve needs few points"),
    ("keras_cnns search *--resume*", "", "it is told all by its search"),
    ("keras_cnns search *", "--trials 1 --epochs 1 --rounds 3 --max-latency-ratio 9",
     "one network is enough to come to an end, and latency is not the test's to judge"),
    ("keras_cnns experiment *--resume*", "", "it is told all by its folder"),
    ("keras_cnns experiment *", "--seeds 1 --epochs 1 --limit-images 60", "each arm once"),
    ("keras_cnns explore hypernetwork *", "epochs=1", "one pass"),
    ("keras_cnns explore neural_process *", "steps=2 points=12 context=5 width=8 latent=4", "tiny"),
    ("keras_cnns explore kanerva_machine *", "steps=2 rows=8 width=8 code=6 episode=4", "tiny"),
    ("keras_cnns compare *--measure*", "--networks squeezenet1_1", "one network, not five"),
    ("export bundle *", "--max-drop 100", "weights of two passes cannot keep to half a point"),
    ("export choose *", "--max-drop 100", "the same"),
    ("export verify *--max-drop*", "--max-drop 100 --min-agreement 0", "the same"),
    ("export bench *", "--runs 10", "ten rounds are run like two hundred"),
    ("benchmarks.kills *", "--kills 1", "one kill is a kill"),
    ("benchmarks.train *", "--rounds 1 --steps 2", "one round"),
)  # fmt: skip
# What runs until Ctrl-C: words added, and what it says when it is ready. The page's runtime is not
# fetched, which takes a network: where `make clients` has not put it, its lack is the last word.
MODULES = ROOT / "tests" / "clients" / "node_modules"
SERVERS = {
    "python -m export serve": (f"--port 0 --runtime {MODULES}", "Ctrl-C ends it")
    if MODULES.exists()
    else ("--port 0", "the page runs on LiteRT.js"),
    "tensorboard": ("--port 0 --load_fast false", "Press CTRL+C"),
}
OFFLINE = "--fetch-runtime"
# Pages that begin with nothing but photos make the rest themselves, in their order.
FROM_NOTHING = ("README.md", "docs/tour.md", "docs/data.md", "docs/training.md")


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_its_language_and_every_reason_is_told(page):
    text = page.read_text(encoding="utf-8")
    for block in pages.blocks(page):
        where = f"{block.page}:{block.line}"
        assert block.language in pages.LANGUAGES, f"{where}: a block is one of {pages.LANGUAGES}"
        if block.note:
            assert re.match("not-run: .+", block.note), where
    indented = re.findall(r"^(?: {4}|\t)(?:\$ )?(?:python|make|pip|cd) .*$", text, re.M)
    assert not indented, f"{name_of(page)}: a command stands in a block of its own"
    assert text.count("```") % 2 == 0 and "~~~" not in text


def test_what_is_not_run_is_counted():
    found = {}
    for page in PAGES:
        for block in pages.blocks(page):
            if block.language == "sh" and block.note:
                found[block.page] = found.get(block.page, 0) + 1
    assert found == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_flag_on_a_page_is_known(page):
    for block in pages.blocks(page):
        if block.language == "sh":
            for _, words in pages.commands(block.text):
                parse(words, f"{block.page}:{block.line}")
    for words in pages.inline(page):
        if len(words) > 4 and "..." not in " ".join(words):
            parse(words, f"{name_of(page)}, in its text")
        elif words[3:]:
            commands = importlib.import_module(f"{words[2]}.__main__").COMMANDS
            assert words[3] in commands, words


def parse(words, where):
    """Check the words of one of our commands, a benchmark or a target of the Makefile."""
    if words[:2] == ["python", "-m"] and OURS.match(" ".join(words) + " "):
        commands = importlib.import_module(f"{words[2]}.__main__").COMMANDS
        assert words[3] in commands, f"{where}: {words}"
        module = importlib.import_module(commands[words[3]].module)
        parser = Parser(" ".join(words[:4]))
        module.flags(parser)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            try:
                parser.parse_args(words[4:])
            except SystemExit as ended:
                if not ended.code:
                    return  # --help
                pytest.fail(f"{where}: {said.getvalue()}")
    elif words[:2] == ["python", "-m"]:
        known = (ROOT / (words[2].replace(".", "/") + ".py")).read_text(encoding="utf-8")
        if words[2] == "benchmarks.search":  # it gives what is not its own to `search`
            parser = Parser("search")
            importlib.import_module(COMMANDS["search"].module).flags(parser)
            known += "".join(f'"{flag}"' for flag in parser._option_string_actions)
        assert all(f'"{w}"' in known for w in words[3:] if w.startswith("--")), f"{where}: {words}"
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets), f"{where}: {words}"


def test_every_link_leads_somewhere():
    for page in PAGES:
        for file, anchor in pages.links(page):
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), f"{name_of(page)}: {file} is not there"
            if anchor and target.suffix == ".md":
                assert anchor in pages.anchors(target), f"{name_of(page)}: {file}#{anchor}"


def test_every_page_is_in_a_table_of_contents():
    docs = ROOT / "docs"
    listed = set()
    for page in docs.glob("*.md"):
        for body in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.S):
            listed |= {line for line in body.split("\n") if line and not line.startswith(":")}
    there = {str(p.relative_to(docs).with_suffix("")) for p in PAGES if docs in p.parents}
    assert all(any(fnmatch(page, entry) for entry in listed) for page in there - {"index"})


def test_every_family_has_a_page_which_draws_its_own():
    import keras_cnns

    families = {}
    for name in keras_cnns.names():
        families.setdefault(keras_cnns.VARIANTS[name].family, set()).add(name)
    for family, names in families.items():
        text = (ROOT / "docs" / "families" / f"{family}.md").read_text(encoding="utf-8")
        drawn = re.search(rf"{{family}} {family}\n:draw: (.*)\n", text)[1].split()
        assert set(drawn) <= names and f"{{variants}} {family}\n" in text
        assert "## Differences among references" in text
    assert len(list((ROOT / "docs" / "families").glob("*.md"))) == len(families)


def test_the_sentences_of_troubleshooting_are_those_of_the_code():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert len(told) > 30
    known = [text for package in ("pipelines", "keras_cnns", "export")
             for file in (ROOT / package).rglob("*.py") for text in sentences(file)]  # fmt: skip
    for sentence in told:
        pattern = ".*".join(map(re.escape, filter(None, sentence.split("..."))))
        assert any(re.search(pattern, text, re.S) for text in known), sentence


def sentences(file):
    """The texts of a file, with ... where values are put in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(getattr(part, "value", "...") if isinstance(part, ast.Constant) else "..."
                          for part in node.values)  # fmt: skip
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{[^}]*\}", "...", node.value)


def test_the_contract_names_every_file_and_key_of_a_bundle(bundled):
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    card = json.loads((bundled / "model.json").read_text())
    table = page.split("## model.json")[1].split("\n## ")[0]
    assert set(card) <= set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    for entry in (card["keras"], *card["formats"].values(), card["samples"], card["c"]):
        assert all(f"`{key}`" in table for key in entry), entry
    assert {"source", "fingerprint", "split"} <= set(card["data"])  # the others are its options
    files = page.split("## Files")[1].split("\n## ")[0]
    for file in bundled.iterdir():
        assert f"`{file.name}`" in files or f"`{file.name}/`" in files, file.name


@pytest.fixture(scope="session")
def place(tmp_path_factory, request):
    """Return a function that makes a folder with what a page names."""

    def make(page):
        root = tmp_path_factory.mktemp("page")
        _photos(root / "photos", ("hotdog", "nothotdog"), 24)
        shutil.copy(root / "photos" / "hotdog" / "0.png", root / "photo.jpg")
        if page not in FROM_NOTHING:
            trained, bundled = map(request.getfixturevalue, ("trained", "bundled"))
            for name in ("mine", "a", "b", "c"):
                shutil.copytree(trained, root / "runs" / name)
            shutil.copytree(bundled, root / "bundle")
            for name in ("model", "theirs"):
                shutil.copy(bundled / "model_float32.tflite", root / f"{name}.tflite")
            _digits(root / "photos")
        for name in set(re.findall(r"folder:(\w+)", " ".join(_texts(page)))) - {"photos"}:
            for split, each in (("train", 20), ("val", 4), ("test", 4)):
                _photos(root / name / split, "01", each, (28, 28))
        for name in ("resnet50", "mobilenet_v2"):
            if any(f"{name}.safetensors" in text for text in _texts(page)):
                _checkpoint(name, root / f"{name}.safetensors")
        return root

    return make


def _texts(page):
    """The blocks of a page that are run."""
    return [b.text for b in pages.blocks(ROOT / page) if b.language == "sh" and not b.note]


def _photos(root, classes, count, size=(72, 64)):
    """Classes of images that a network tells apart at once: one warm, one cold."""
    rng = np.random.default_rng(0)
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 90, (size[1], size[0], 3))
            pixels[..., 2 * c] += 160
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.png")


def _digits(root):
    """The classes of the trained network, some images of each, in place of what was there."""
    from sklearn.datasets import load_digits

    shutil.rmtree(root)
    data = load_digits()
    for i, (image, label) in enumerate(zip(data.images[:300], data.target, strict=False)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype(np.uint8)).save(root / str(label) / f"{i}.png")


def _checkpoint(name, path):
    """Weights drawn by the references' rule, under torch's names, as .safetensors."""
    from tests import reference

    arrays = reference.checkpoint(reference.files()[name])
    head, at = {}, 0
    for key, array in arrays.items():
        array = np.asarray(array, np.float32)
        head[key] = {"dtype": "F32", "shape": list(array.shape),
                     "data_offsets": [at, at + array.nbytes]}  # fmt: skip
        at += array.nbytes
    text = json.dumps(head).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array, np.float32).tobytes())


WITH_COMMANDS = [p for p in PAGES if any(b.language in ("sh", "python") for b in pages.blocks(p))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_commands_run_as_they_are_printed(page, place, run, monkeypatch):
    monkeypatch.chdir(place(name_of(page)))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for block in pages.blocks(page):
        if block.language == "python":
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {})
        if block.language != "sh" or block.note:
            continue
        for variables, words in pages.commands(block.text):
            with monkeypatch.context() as patch:
                for key, value in variables.items():
                    patch.setenv(key, value)
                _perform(words, run, f"{block.page}:{block.line}: {' '.join(words)}")


def _perform(words, run, where):
    line = " ".join(words)
    for begin, (more, ready) in SERVERS.items():
        if line.startswith(begin):
            return _serve([w for w in words if w != OFFLINE] + more.split(), ready, where)
    if words[0] == "make":  # CI calls them itself; in here they would call these tests
        status = subprocess.run(["make", "-n", "-C", ROOT, *words[1:]], capture_output=True)
        assert status.returncode == 0, where
        return None
    assert words[:2] == ["python", "-m"], f"{where}: teach the test to run it, or mark it"
    more = _shorter(words[2:])
    again = {word.partition("=")[0] for word in more if "=" in word}  # said once, or refused
    words = [word for word in words[2:] if word.partition("=")[0] not in again] + more
    if not OURS.match(f"python -m {words[0]} "):
        result = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
        assert result.returncode == 0, f"{where}: {result.stderr[-2000:]}"
        return None
    status, _, errors = run(*words)
    assert status == 0, f"{where} {more}: {errors[-3000:]}"
    return None


def _shorter(words):
    line = " ".join(words) + " "
    return next((more.split() for begin, more, _ in SHORTER if fnmatch(line, begin)), [])


def _serve(words, ready, where):
    """Start what runs until it is stopped, wait until it says that it is ready, and stop it."""
    command = [sys.executable, *words[1:]] if words[0] == "python" else words
    environment = os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        said = ""
        try:
            for line in process.stdout:
                said += line
                if ready in line:
                    return
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:  # as where SIGINT is ignored from the start
                process.kill()
    pytest.fail(f"{where}: {said}")
