"""The report on a model: numbers against scikit-learn, warnings that fire, files one can open."""

import csv
import dataclasses
import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from export import trained as runs
from keras_cnns import page, plots
from keras_cnns.evaluation import caveats, evaluate, report
from keras_cnns.evaluation.answers import Answers, ask
from pipelines import dataset
from pipelines.errors import DamagedFile
from pipelines.pack import pack
from pipelines.sources import KINDS, open_source
from pipelines.sources.base import Source, Split
from tests.conftest import draw, store_tfds


class Known:
    """A model whose answer to an image is written in its first pixels."""

    def __init__(self, answers, shape=(1, 1, 1)):
        self.table = np.asarray(answers, np.float32)
        self.input_shape, self.classes = shape, self.table.shape[1]

    def predict(self, pixels):
        """The rows that the pixels name."""
        return self.table[pixels.reshape(len(pixels), -1)[:, 0]]


def split_of(labels, first=0):
    """Images whose one pixel is their number."""
    n = len(labels)
    images = np.arange(first, first + n, dtype=np.uint8).reshape(n, 1, 1, 1)
    names = [f"image {i}" for i in range(n)]
    return Split(np.asarray(labels, np.int32), (images,), lambda image: image, names)


def chances(n, classes, seed=0):
    scores = np.random.default_rng(seed).normal(size=(n, classes)).astype(np.float32)
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def test_every_number_is_that_of_scikit_learn():
    table, labels = chances(200, 7), np.random.default_rng(1).integers(0, 6, 200)  # no image of 6
    found = ask(Known(table), split_of(labels))
    names = list("abcdefg")
    matrix = evaluate.confusion(found.labels, found.answers, 7)
    np.testing.assert_array_equal(
        matrix, metrics.confusion_matrix(labels, table.argmax(1), labels=range(7))
    )
    assert found.loss.mean() == pytest.approx(
        metrics.log_loss(labels, table, labels=range(7)), rel=1e-5
    )
    for k in (1, 5):
        expected = metrics.top_k_accuracy_score(labels, table, k=k, labels=range(7))
        assert (found.ranks < k).mean() == expected
    rows = evaluate.per_class(matrix, names)
    theirs = metrics.precision_recall_fscore_support(
        labels, table.argmax(1), labels=range(7), zero_division=0
    )
    for i, row in enumerate(rows.values()):
        ours = [row[key] or 0 for key in ("precision", "recall", "f1", "images")]
        assert ours == pytest.approx([column[i] for column in theirs])
    assert rows["g"]["recall"] is None
    assert evaluate.macro(rows)["f1"] == pytest.approx(theirs[2][:6].mean())


def test_f1_and_pairs_in_a_closed_form():
    matrix = np.array([[8, 2, 0], [4, 6, 0], [0, 0, 0]])
    rows = evaluate.per_class(matrix, ["cat", "dog", "owl"])
    assert rows["cat"]["f1"] == pytest.approx(16 / 22)
    assert rows["owl"] == {"images": 0, "precision": None, "recall": None, "f1": None}
    first, second = evaluate.pairs(matrix, ["cat", "dog", "owl"])
    assert (first["true"], first["predicted"], first["images"]) == ("dog", "cat", 4)
    assert (second["share"], second["images"]) == (0.2, 2)


def test_ties_go_to_the_first_class_as_argmax_has_it():
    table = np.array([[0.2, 0.2, 0.2, 0.2, 0.2, 0.0], [0, 0, 0, 0, 0, 1]])
    found = ask(Known(table[[0, 0, 1]]), split_of([0, 4, 4]))
    assert found.ranks.tolist() == [0, 4, 5]
    assert found.answers.tolist() == [0, 0, 5]
    assert np.isfinite(found.loss).all()


def test_answers_that_are_not_numbers_are_told():
    with pytest.raises(DamagedFile, match="not finite"):
        ask(Known([[np.nan, 1]]), split_of([0]))


def answers(labels, given, classes):
    labels, given = np.asarray(labels), np.asarray(given)
    ranks = np.where(labels == given, 0, 1)
    sure = np.full(len(labels), 0.9)
    return Answers(labels, given, ranks, sure, 1 - sure, None, 1.0)


@pytest.mark.parametrize(
    "labels, given, codes",
    [
        ([0, 1] * 50, [0] * 100, {"one_class", "at_chance"}),
        ([0, 1] * 50, [0] * 97 + [1] * 3, {"one_class", "at_chance"}),
        ([0] * 90 + [1] * 40, [0] * 130, {"one_class", "at_chance"}),
        ([0, 1] * 50, [0, 1] * 50, set()),
        ([0, 1] * 50, [1, 0] * 50, {"below_chance"}),
        ([0, 1] * 50, [0, 1] * 26 + [1, 0] * 24, {"at_chance"}),
        ([0, 1] * 10, [0, 1] * 10, {"few_images"}),
    ],
)
def test_warnings_fire_where_they_should(labels, given, codes):
    found = answers(labels, given, 2)
    told = [
        f(found, ("cat", "dog")) for f in (caveats.one_class, caveats.at_chance, caveats.few_images)
    ]
    assert {row["code"] for row in told if row} == codes


@pytest.mark.parametrize("cats, told", [(50, False), (90, True)])
def test_balancing_is_advised_only_where_classes_are_not_balanced(cats, told):
    labels = [0] * cats + [1] * 50
    sentence = caveats.one_class(answers(labels, [0] * len(labels), 2), ("cat", "dog"))["sentence"]
    assert ("balance" in sentence) == told


def test_a_common_class_makes_its_own_chance():
    """85% right is nothing where 86% of the images are of one class."""
    labels = [0] * 172 + [1] * 28
    given = [0] * 160 + [1] * 12 + [1] * 10 + [0] * 18
    told = caveats.at_chance(answers(labels, given, 2), ("cat", "dog"))
    assert "always answering 'cat'" in told["sentence"]


def source_with(train, test):
    return Source("made", ("cat", "dog"), 1, {"train": train, "val": test, "test": test}, "0")


def test_a_model_that_knows_its_training_images_by_heart_is_told():
    labels = np.arange(100) % 2
    table = np.eye(2)[np.concatenate([labels, 1 - labels])] * 0.98 + 0.01
    model, train, test = Known(table), split_of(labels), split_of(labels, first=100)
    found = ask(model, test)
    told = caveats.gap(model, source_with(train, test), "test", found)
    assert told["train_accuracy"] == 1
    assert "0.0% of test" in told["sentence"]
    assert caveats.gap(model, source_with(test, train), "test", found) is None


def digits_source(root, images):
    """The digits, of which no image lies in two splits by itself."""
    source = open_source("digits")
    if "test" in images and (images["train"][0] == images["test"][-1]).all():
        splits = source.splits
        test = splits["test"] + splits["train"].take([0])
        source = dataclasses.replace(source, splits=splits | {"test": test})
    return source


def folder_source(root, images):
    for split, part in images.items():
        for i, image in enumerate(part):
            path = root / "photos" / split / "abc"[i % 3] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    return open_source(f"folder:{root / 'photos'}")


def csv_source(root, images):
    folder_source(root, images)
    paths = sorted((root / "photos").rglob("*.png"))
    rows = [f"{p.relative_to(root)},{p.parent.name},{p.parent.parent.name}" for p in paths]
    (root / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    return open_source(f"csv:{root / 'list.csv'}")


def tfds_source(root, images):
    store_tfds(root / "sets", "tiny", images)
    return open_source("tfds:tiny", data_dir=root / "sets")


def packed_source(root, images):
    pack(folder_source(root, images), root / "packed", shards=2)
    return open_source("tfds:packed", data_dir=root)


MADE = {
    "digits": digits_source, "folder": folder_source, "csv": csv_source, "tfds": tfds_source,
    "a pack": packed_source,
}  # fmt: skip


def test_every_kind_of_source_is_looked_through_for_leaks():
    assert MADE.keys() >= KINDS.keys()


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kind", MADE)
def test_a_leak_is_told_where_there_is_one_and_nowhere_else(kind, apart, twin, tmp_path):
    """With a test split of its own, or one dealt out of train, where copies stay together."""
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 1), np.uint8)
    images = {"train": images[:45], "test": images[45:].copy()}
    if twin:
        images["test"][-1] = images["train"][0]
    if not apart:
        images = {"train": np.concatenate(list(images.values()))}
    source = MADE[kind](tmp_path, images)
    split = source.splits["test"]
    told = caveats.leak(source, "test", answers(split.labels, split.labels, 3))
    if not (twin and apart):
        assert told is None
        return
    assert f"1 of {len(split):,} test images are in train too" in told["sentence"]
    assert told["accuracy_without"] == 1
    (name,) = told["images"]
    shape = (8, 8, 1)
    same = dataset.pixels(split.take([split.names.index(name)]), shape)
    assert (dataset.pixels(source.splits["train"], shape) == same).all(axis=(1, 2, 3)).any()


def test_files_of_the_same_bytes_in_train_and_test_are_named(run, trained, tmp_path):
    root = tmp_path / "photos"
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        for label in range(10):
            for i in range(3):
                draw(root / split / str(label) / f"{i}.png", mode="L", seed=first + 10 * label + i)
    twin = root / "test" / "3" / "copy.png"
    twin.write_bytes((root / "train" / "3" / "1.png").read_bytes())
    out = tmp_path / "out"
    words = ["evaluate", trained, "--data", f"folder:{root}", "--out", out, "--json"]
    status, output, errors = run("keras_cnns", *words)
    assert status == 0, errors
    found = json.loads(output.splitlines()[-1])
    leak = next(row for row in found["warnings"] if row["code"] == "leak")
    assert leak["images"] == [str(twin)]
    assert "1 of 31 test images" in leak["sentence"]
    assert str(root / "train" / "3" / "1.png") in leak["sentence"]
    assert f"WARNING: {leak['sentence']}" in output
    assert not list(root.rglob("report*"))


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_a_run_gets_its_report_beside_it(run, trained):
    status, output, errors = run("keras_cnns", "evaluate", trained)
    assert status == 0, errors
    folder = trained / "report-test"
    assert files_of(folder) == set(report.OWNED)
    assert str(folder / "report.html") in output
    found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    with open(folder / "confusion.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows] == list(found["classes"]) == list("0123456789")
    assert [list(map(int, row[1:])) for row in rows] == found["confusion"]
    assert sum(map(sum, found["confusion"])) == found["images"]
    assert len(found["top_losses"]) == evaluate.MISTAKES
    losses = [row["loss"] for row in found["top_losses"]]
    assert losses == sorted(losses, reverse=True)
    assert found["calibration"]["fitted_on"]["split"] == "val"
    for name in report.PICTURES:
        Image.open(folder / name).load()
    (folder / "report.json").touch()
    assert run("keras_cnns", "evaluate", trained)[0] == 0  # it is ours, so it is replaced
    (folder / "mine.txt").write_text("notes")
    status, _, errors = run("keras_cnns", "evaluate", trained)
    assert status == 2
    assert "mine.txt" in errors
    (folder / "mine.txt").unlink()


def test_on_the_validation_images_no_temperature_is_fitted(trained, digits):
    found = evaluate.evaluate(runs.find(trained), digits, "val")["calibration"]
    assert found["temperature"] is None
    assert "split reported" in found["why"]


def test_images_that_were_trained_on_are_told(trained, run, tmp_path):
    out = tmp_path / "retrained"
    shutil.copytree(trained, out, ignore=shutil.ignore_patterns("report*"))
    config = (out / "config.yaml").read_text() + "trained_on: [train, val]\n"
    (out / "config.yaml").write_text(config)
    status, output, errors = run("keras_cnns", "evaluate", out, "--split", "val", "--json")
    assert status == 0, errors
    told = json.loads(output.splitlines()[-1])["warnings"][0]
    assert told["code"] == "trained_on"
    assert f"WARNING: {told['sentence']}" in output
    assert told["sentence"] in (out / "report-val" / "report.html").read_text()


def test_a_file_alone_leaves_a_report_only_where_one_says(run, trained, tmp_path):
    alone = tmp_path / "m.keras"
    alone.write_bytes((trained / "model.keras").read_bytes())
    assert run("keras_cnns", "evaluate", alone, "--data", "digits")[0] == 0
    assert files_of(tmp_path) == {"m.keras"}
    assert run("keras_cnns", "evaluate", alone, "--data", "digits", "--out", tmp_path / "r")[0] == 0
    assert files_of(tmp_path / "r") == set(report.OWNED)


def test_the_report_never_goes_into_the_users_images(run, trained, photos):
    words = ["--data", f"folder:{photos}", "--out", photos / "report"]
    status, _, errors = run("keras_cnns", "evaluate", trained, *words)
    assert status == 2
    assert "lies in the folder of your images" in errors


@pytest.mark.parametrize("way", ["flip", "ten-crop"])
def test_views_are_averaged_and_compared_with_one(way, trained, digits):
    few = dataset.subset(digits.splits["test"], dataset.stratified(digits.splits["test"], 40))
    source = Source("digits", digits.classes, 1, digits.splits | {"test": few, "val": few}, "0")
    found = evaluate.evaluate(runs.find(trained), source, tta=way)["tta"]
    plain = evaluate.evaluate(runs.find(trained), source)
    assert found["views"] == {"flip": 2, "ten-crop": 10}[way]
    assert found["one_view"]["accuracy"] == plain["accuracy"]


def test_averaging_is_of_probabilities():
    table = np.array([[0.9, 0.1], [0.2, 0.8]])
    model = Known(table, shape=(1, 2, 1))
    images = np.array([[[[0], [1]]]], np.uint8)  # its mirror image begins with 1
    split = Split(np.array([1], np.int32), (images,), lambda image: image, ["one"])
    from keras_cnns.evaluation.crops import flip

    assert ask(model, split, way=flip).confidence == pytest.approx([0.55])


ODD = ["<b>bold</b>", "quo\"te's", "猫😀", "x" * 300, "$a_{b$", "&amp;", "=1+1", "a,b"]


class Reader(HTMLParser):
    """Collects what a browser would show, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.fetched = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """A tag, and addresses in it."""
        self.tags.append(tag)
        self.fetched += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        """Text as a person sees it."""
        self.text.append(data)


@pytest.fixture(scope="module")
def odd_report(tmp_path_factory):
    """A report on classes and files with names that break careless pages."""
    n = len(ODD)
    labels = np.arange(40) % n
    part = split_of(labels)
    part.names[:] = [f"/photos/{ODD[i % n][:40]}/<i>{i}.jpg" for i in range(40)]
    source = Source("folder:<b>", tuple(ODD), 1, dict.fromkeys(("train", "val", "test"), part), "0")
    found = ask(Known(chances(256, n)), part)
    out = tmp_path_factory.mktemp("odd") / "report"
    made = written(found, source, labels)
    report.write(made, source, out)
    return made, out


def written(found, source, labels):
    matrix = evaluate.confusion(found.labels, found.answers, len(source.classes))
    rows = evaluate.per_class(matrix, source.classes)
    return {
        "model": "runs/<script>/model.keras", "source": source.spec, "fingerprint": "0",
        "split": "test", "images": len(labels), "accuracy": 0.5, "accuracy_95": [0.4, 0.6],
        "top5": 0.9, "top5_95": [0.8, 0.95], "log_loss": 1.0, "macro": evaluate.macro(rows),
        "classes": rows, "confused": evaluate.pairs(matrix, source.classes),
        "top_losses": evaluate.top_losses(found, source.splits["test"], source.classes),
        "calibration": evaluate._calibration(found, {"temperature": None, "why": "none"}),
        "images_per_second": 1.0, "tta": None, "confusion": matrix.tolist(),
        "warnings": [row for row in [caveats.few_images(found, source.classes)] if row],
    }  # fmt: skip


def test_the_page_shows_every_name_as_it_is_and_fetches_nothing(odd_report):
    made, out = odd_report
    reader = Reader((out / "report.html").read_text(encoding="utf-8"))
    shown = "".join(reader.text)
    for name in ODD:
        assert name in shown
    assert {"b", "i", "script"} & set(reader.tags) == {"b", "script"}
    assert reader.tags.count("script") == 1
    assert reader.tags.count("img") == len(made["top_losses"])
    assert all(address.startswith("data:image/") for address in reader.fetched)
    assert "http" not in page.STYLE + page.SORT


def test_odd_names_are_kept_in_json_and_csv(odd_report):
    made, out = odd_report
    again = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(again["classes"]) == ODD
    assert again["confusion"] == made["confusion"]
    with open(out / "confusion.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file))[1:] == ODD


@pytest.mark.parametrize("classes", [2, 1000])
def test_two_classes_and_a_thousand_make_a_report(classes, tmp_path):
    labels = np.arange(100) % classes
    part = split_of(labels)
    names = tuple(f"class {i}" for i in range(classes))
    source = Source("made", names, 1, dict.fromkeys(("train", "val", "test"), part), "0")
    found = ask(Known(chances(256, classes)), part)
    report.write(written(found, source, labels), source, tmp_path / "r")
    assert files_of(tmp_path / "r") == set(report.OWNED)
    assert (tmp_path / "r" / "report.html").stat().st_size < 2_000_000


def test_one_image_makes_a_report(tmp_path):
    part = split_of([1])
    source = Source("made", ("cat", "dog"), 1, dict.fromkeys(("train", "val", "test"), part), "0")
    found = ask(Known([[0.4, 0.6]]), part)
    report.write(written(found, source, [1]), source, tmp_path / "r")
    assert "Nothing was confused" in (tmp_path / "r" / "report.html").read_text("utf-8")


@pytest.mark.parametrize("length", [1, 2, 5, 20])
def test_a_long_name_is_shortened_in_its_middle(length):
    text = "abcdefghijklmnop"
    short = plots.shorten(text, length)
    assert len(short) == min(length, len(text))
    assert short == text if length >= len(text) else "…" in short


def test_memory_does_not_grow_with_the_images():
    """No more than two batches are alive, however many images there are."""
    alive = []

    class Watched(Known):
        def predict(self, pixels):
            """Count what is held."""
            alive.append(pixels.nbytes)
            return np.full((len(pixels), 2), 0.5, np.float32)

    shape = (64, 64, 3)
    labels = np.zeros(1000, np.int32)
    split = Split(labels, (labels,), lambda i: np.zeros(shape, np.uint8), ["x"] * len(labels))
    ask(Watched(np.ones((1, 2)), shape), split)
    assert max(alive) <= 64 * np.prod(shape)


def test_a_tflite_file_has_the_table_of_its_keras_model(run, trained, tmp_path):
    from export import freeze, models, tflite

    folder = tmp_path / "saved"
    freeze.Frozen(models.load_keras(trained / "model.keras")).save(folder, batch=1)
    (tmp_path / "m.tflite").write_bytes(tflite.Conversion(folder, None).float32)
    reports = []
    for model in (trained / "model.keras", tmp_path / "m.tflite"):
        words = ["evaluate", model, "--data", "digits", "--json"]
        status, output, errors = run("keras_cnns", *words)
        assert status == 0, errors
        reports.append(json.loads(output.splitlines()[-1]))
    keras, phone = reports
    assert phone["confusion"] == keras["confusion"]
    assert phone["calibration"]["ece"] == pytest.approx(keras["calibration"]["ece"], abs=1e-3)
    assert phone["log_loss"] == pytest.approx(keras["log_loss"], abs=1e-4)
    assert phone.keys() == keras.keys()
