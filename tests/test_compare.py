"""A comparison: the front, the two tables, a page that fetches nothing, times that cancel noise."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from keras_cnns import speed
from keras_cnns.evaluation import compare, scatter
from keras_cnns.registry import find, names
from pipelines.sources import open_source
from pipelines.sources.recorded import record
from tests.conftest import store_tfds
from tests.test_evaluate import Reader


def rows_of(points):
    return [{"model": str(i), "top1": a, "cost": c} for i, (c, a) in enumerate(points)]


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_beats(more, seed):
    random = np.random.default_rng(seed)
    points = random.integers(1, 8, (30, 2)) / 10  # with ties
    rows = rows_of(points)
    sign = -1 if more else 1

    def beats(a, b):
        worse = sign * a["cost"] > sign * b["cost"] or a["top1"] < b["top1"]
        return not worse and (a["cost"], a["top1"]) != (b["cost"], b["top1"])

    expected = {(r["cost"], r["top1"]) for r in rows if not any(beats(o, r) for o in rows)}
    found = compare.front(rows, "cost", more_is_better=more)
    assert {(r["cost"], r["top1"]) for r in found} == expected
    assert len(found) == len(expected)


def test_a_row_without_the_cost_is_on_no_front():
    assert compare.front([{"top1": 0.9}, {"top1": 0.5, "cost": 1}], "cost") == [
        {"top1": 0.5, "cost": 1}
    ]


def test_published_rows_are_of_the_catalogue_and_name_their_source():
    rows = compare.published()
    assert len(rows) > 50
    for row in rows:
        variant = find(row["model"])
        assert (row["params"], row["macs"]) == (variant.params, variant.macs)
        assert row["image_size"] == variant.input_shape[0]
        assert variant.classes == 1000
        assert row["source"].startswith("published: ")
        assert 0.5 < row["top1"] < row["top5"] < 1
    assert {row["model"] for row in rows} <= set(names())
    assert set(compare.MEASURED) <= {row["model"] for row in rows}


def test_a_ratio_does_not_change_when_the_machine_slows_down():
    """A unit takes 10 ms, later 30: work of 4 units stays 4 references."""
    now, pace = [0.0], [0.01]

    def spend(units):
        now[0] += units * pace[0]
        pace[0] = 0.03 if now[0] > 0.4 else 0.01

    watch = speed.Stopwatch(lambda: spend(1), clock=lambda: now[0])
    median, (low, high) = watch.ratio(lambda: spend(4), rounds=40)
    assert median == pytest.approx(4) and low <= median <= high
    assert watch.seconds(4) == pytest.approx(0.12)


def test_ratios_become_images_a_second_and_milliseconds():
    watch = speed.Stopwatch(None, seen=[0.002, 0.002])
    row = {"latency_ratio": 3.0, "batch_ratio": 8.0}
    compare.in_seconds([row, {}], watch)
    assert row["latency_ms"] == pytest.approx(6)
    assert row["images_per_second"] == pytest.approx(compare.BATCH / 0.016)


def test_runs_of_one_spec_are_measured_each_on_its_own_images(run, trained, tmp_path, monkeypatch):
    """Another place of a TFDS name may hold other images; training images do not count."""
    digits = tuple("0123456789")
    images = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 1), np.uint8)
    train, (test, other) = images[:50], np.split(images[50:], 2)
    runs = []
    for name, part, knobs in (
        ("one", test, {}), ("fewer", test, {"limit_images": 20}), ("other", other, {}),
    ):  # fmt: skip
        store_tfds(tmp_path / name, "tiny", {"train": train, "test": part}, digits)
        config = record(open_source("tfds:tiny", data_dir=tmp_path / name, **knobs))
        runs.append(shutil.copytree(trained, tmp_path / f"run {name}"))
        (runs[-1] / "config.yaml").write_text(yaml.safe_dump({"model": "lenet"} | config))
    monkeypatch.setattr("keras_cnns.commands.compare._measured", lambda *_: [])
    monkeypatch.setattr("keras_cnns.evaluation.scatter.write", lambda *_: None)
    for chosen, differ in ((runs[:2], False), (runs[::2], True)):
        words = ["compare", *chosen, "--out", tmp_path / f"page {differ}", "--json"]
        status, output, errors = run("keras_cnns", *words)
        assert status == 0, errors
        assert ("different images" in output) == differ
    config["fingerprint"] = config["fingerprint"].replace("-r", "0-r")
    (runs[-1] / "config.yaml").write_text(yaml.safe_dump(config))
    status, _, errors = run("keras_cnns", "compare", *runs[::2], "--out", tmp_path / "page")
    assert status == 2
    assert f"is not what {runs[-1] / 'model.keras'} was made from" in errors


def test_published_networks_make_a_page_two_tables_and_a_picture(run, tmp_path):
    out = tmp_path / "out"
    status, output, errors = run("keras_cnns", "compare", "--published", "--out", out, "--json")
    assert status == 0, errors
    assert {path.name for path in out.iterdir()} == set(scatter.OWNED)
    rows = json.loads(output.splitlines()[-1])["rows"]
    text = (out / "compare.html").read_text("utf-8")
    reader = Reader(text)
    assert not reader.fetched
    assert "resnet50" in "".join(reader.text)
    data = json.loads(re.search(r"const facts=(.*?);\n", text)[1])
    assert len(data["rows"]) == len(rows)
    assert list(data["costs"]) == ["macs", "params"]
    with open(out / "accuracy.csv", newline="") as file:
        accuracy = {row["model"]: row for row in csv.DictReader(file)}
    with open(out / "benchmark.csv", newline="") as file:
        benchmark = {row["model"]: row for row in csv.DictReader(file)}
    assert accuracy.keys() == benchmark.keys() == {row["model"] for row in rows}
    assert float(accuracy["resnet50"]["top1"]) == 76.13
    assert float(benchmark["resnet50"]["infer_gmacs"]) == pytest.approx(4.089, abs=2e-3)
    assert benchmark["resnet50"]["tflite_latency_ms"] == ""
    Image.open(out / "compare.png").load()
    assert run("keras_cnns", "compare", "--published", "--out", out)[0] == 0
    (out / "notes.txt").write_text("mine")
    assert run("keras_cnns", "compare", "--published", "--out", out)[0] == 2


def test_runs_are_measured(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", 2)
    words = ["compare", trained, "--format", "uint8", "--out", tmp_path / "out", "--json"]
    status, output, errors = run("keras_cnns", *words)
    assert status == 0, errors
    (row,) = json.loads(output.splitlines()[-1])["rows"]
    assert (row["model"], row["family"], row["format"]) == ("lenet", "lenet", "uint8")
    assert row["params"] == 81_194
    assert 50_000 < row["bytes"] < 200_000
    assert row["latency_ms"] > 0
    assert row["images_per_second"] > 0
    assert row["macts"] == 6 * 30 * 30 + 16 * 13 * 13 + 120 + 84 + 10
    assert row["top1_95"][0] < row["top1"] < row["top1_95"][1]
    with open(tmp_path / "out" / "benchmark.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert float(line["infer_macts"]) == pytest.approx(row["macts"] / 1e6, abs=1e-3)


@pytest.mark.parametrize(
    "words, message",
    [
        ("compare --out OUT", "name runs, or --published"),
        ("compare OUT/run --published --out OUT", "and not both"),
        ("compare --published --networks resnet5 --out OUT", "did you mean resnet50"),
        ("compare --published --format uint9 --out OUT", "did you mean uint8"),
        ("compare OUT/run --measure --out OUT", "go with --published"),
        ("compare OUT/run --out OUT", "no run or model"),
    ],
)
def test_wrong_words_get_one_sentence(words, message, run, tmp_path):
    out = tmp_path / "out"
    status, _, errors = run("keras_cnns", *words.replace("OUT", str(out)).split())
    assert status == 2
    assert message in errors
    assert not out.exists()


def test_an_ensemble_costs_what_its_members_do():
    import keras

    from keras_cnns import complexity
    from keras_cnns.registry import build_for_pixels

    one = build_for_pixels("lenet", 10, (32, 32, 1))
    image = keras.Input((32, 32, 1))
    both = keras.Model(image, keras.layers.Average()([one(image), one(image)]))
    assert complexity.macs(both) == complexity.macs(one)  # the same layers, called twice
    other = keras.models.clone_model(one)
    other.name = "other"
    both = keras.Model(image, keras.layers.Average()([one(image), other(image)]))
    assert complexity.macs(both) == 2 * complexity.macs(one)


def test_names_cannot_break_out_of_the_page():
    row = compare.published(["resnet18"])[0] | {"model": "</script><b>x"}
    text = scatter.html([row], ["macs"], ["<i>note"])
    reader = Reader(text)
    assert reader.tags.count("script") == 1
    assert "b" not in reader.tags
    assert "</script><b>x" in "".join(reader.text)
