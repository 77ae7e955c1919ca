"""The lecture's claims as experiments: the table, the rule of the verdict, and a whole one."""

import csv
import dataclasses
import itertools
import json
import math
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from export.intervals import crossed, reached, wilson
from keras_cnns import complexity, registry
from keras_cnns.experiments import table, verdict, work
from keras_cnns.experiments.session import Session, begin
from pipelines.check import Checks
from pipelines.errors import UserError
from pipelines.settings import flat, plain
from tests.conftest import ROOT

every_experiment = pytest.mark.parametrize("name", table.EXPERIMENTS)
both_sizes = pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
NAMED = vars(Checks()) | {"data": "digits", "data_dir": None}


def session_of(name, full, out="unused"):
    return begin(out, name, full=full, changes={}, named=NAMED, recipe=None, seeds=None)


# The table


@every_experiment
def test_claims_are_of_arms_and_every_arm_is_in_one(name):
    experiment = table.EXPERIMENTS[name]
    names = [arm.name for arm in experiment.arms]
    assert len({*names}) == len({arm.words for arm in experiment.arms}) == len(names)
    claimed = {arm for claim in experiment.claims for arm in (claim.better, claim.worse)}
    assert claimed == {*names}
    assert all(claim.source and claim.better != claim.worse for claim in experiment.claims)
    assert experiment.question.endswith("?") and experiment.minutes > 0
    assert experiment.full.wants and experiment.small.data == "digits"


@every_experiment
@both_sizes
def test_arms_differ_in_what_they_say_and_in_nothing_else(name, full):
    session, experiment = session_of(name, full), table.EXPERIMENTS[name]
    variants = [registry.find(session.network(arm)) for arm in experiment.arms]
    settings = [flat(plain(session.settings(arm, 7))) for arm in experiment.arms]
    said = {key for arm in experiment.arms for key in arm.changes}
    differing = {key for s in settings for key in s if s[key] != settings[0][key]}
    assert differing == said
    for field in ("builder", "stages", "input_shape", "classes", "scale", "offset", "loss"):
        assert all(getattr(v, field) == getattr(variants[0], field) for v in variants), field
    specs = [dict(variant.spec) for variant in variants]
    missing = object()
    differing = {
        key
        for a, b in itertools.combinations(specs, 2)
        for key in a.keys() | b.keys()
        if a.get(key, missing) != b.get(key, missing)
        and (a.get(key) or b.get(key))  # a knob that is off is as good as one that is not there
    }
    assert differing == {*experiment.differs}


def costs(session, widths=None):
    models = []
    for arm in session.experiment.arms:
        settings = session.settings(arm, 0)
        variant = registry.find(session.network(arm))
        size = settings.image_size or variant.input_shape[0]
        shape = (size, size, variant.input_shape[2])
        models.append(registry.build(variant.name, 10, shape, widths or settings.widths))
    return models


@every_experiment
def test_networks_build_and_cost_alike_at_the_small_size(name):
    session = session_of(name, full=False)
    models = costs(session)
    macs = [complexity.macs(model) for model in models]
    if session.experiment.macs_within is not None:
        assert max(macs) / min(macs) - 1 <= session.experiment.macs_within


@every_experiment
@both_sizes
def test_networks_cost_alike_where_that_is_claimed(name, full):
    session = session_of(name, full)
    macs = [registry.find(session.network(arm)).macs for arm in session.experiment.arms]
    if session.experiment.macs_within is not None:
        assert max(macs) / min(macs) - 1 <= session.experiment.macs_within


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.5, 0.25])
def test_kernels_cost_alike_at_each_width_that_is_named(width):
    macs = [complexity.macs(m) for m in costs(session_of("kernels", True), (width,) * 4)]
    assert max(macs) / min(macs) - 1 <= 0.02


def test_plain_networks_have_the_weights_of_residual_ones():
    plain, residual = (registry.build(f"{kind}20_cifar") for kind in ("plain", "resnet"))
    assert [w.path for w in plain.weights] == [w.path for w in residual.weights]
    assert not any("add" in layer.name and "relu" not in layer.name for layer in plain.layers)


def test_a_normalized_lenet_is_the_plain_one_when_its_norms_do_nothing():
    """Mean 0, variance 1 - epsilon: what is left are the same convolutions and dense layers."""
    bare, normed = registry.build("lenet_d2l"), registry.build("lenet_d2l_bn")
    for layer in normed.layers:
        if layer.name.endswith("_bn"):
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 1 - layer.epsilon))
        elif layer.weights:
            layer.set_weights(bare.get_layer(layer.name).get_weights())
    image = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    np.testing.assert_allclose(normed(image), bare(image), atol=1e-5)


# The rule


def test_the_interval_over_seeds_and_images_by_hand():
    """Image means 1, 1/2, 1, 0: variance 11/48, over 4; seed means 3/4, 1/2: 1/32, over 2."""
    right = [[1, 1, 1, 0], [1, 0, 1, 0]]
    images, seeds = 11 / 48 / 4, 1 / 32 / 2
    freedom = (images + seeds) ** 2 / (images**2 / 3 + seeds**2)
    assert freedom == pytest.approx(3.97, abs=0.01)
    reach = 2.7826 * math.sqrt(images + seeds)  # t of 3.97 degrees at 97.5%, by a table
    mean, (low, high) = crossed(right)
    assert (mean, low, high) == pytest.approx((0.625, 0.625 - reach, 0.625 + reach), abs=1e-3)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Differences with an effect of each image and of each seed, both drawn anew."""
    chance, covered = np.random.default_rng(0), 0
    for _ in range(400):
        images, seeds = chance.normal(0, 1, 200), chance.normal(0, 0.05, (3, 1))
        low, high = crossed(0.1 + images + seeds + chance.normal(0, 0.5, (3, 200)))[1]
        covered += low <= 0.1 <= high
    assert 0.94 <= covered / 400 <= 1.0


def test_of_one_seed_the_images_alone_are_counted():
    right = np.arange(400) < 300
    mean, (low, high) = crossed(right[None])
    assert mean == 0.75 and (high - low) / 2 == pytest.approx(1.966 * 0.02168, abs=1e-4)


def test_an_accuracy_lies_within_0_and_1_and_is_no_surer_than_wilson():
    mean, interval = reached(np.ones((3, 100), bool))
    assert mean == 1 and interval == pytest.approx(wilson(100, 100)) and interval[0] < 0.97


def results(*seeds):
    """Results of trainings, each told by how many of 1,000 images were right; None: it failed."""
    return [
        {"right": "", "test_accuracy": None} if n is None
        else {"right": "1" * n + "0" * (1000 - n), "test_accuracy": n / 1000}
        for n in seeds
    ]  # fmt: skip


@pytest.mark.parametrize(
    "better, worse, word",
    [
        ([900, 905, 910], [700, 705, 710], verdict.AGREES),
        ([700, 705, 710], [900, 905, 910], verdict.DISAGREES),
        ([900, 905, 910], [899, 906, 909], verdict.OPEN),
        ([950, 700, 950], [800, 850, 805], verdict.OPEN),  # the seeds differ more than the arms
        ([900, 900], [700, 700], verdict.AGREES),
        ([900], [700], verdict.OPEN),  # one seed says nothing of how much seeds differ
        ([900, 905], [None, None], verdict.AGREES),
        ([None, 905], [700, 705], verdict.DISAGREES),
        ([None], [None], verdict.OPEN),
        ([900, None], [None, 705], verdict.OPEN),
    ],
)
def test_the_verdict(better, worse, word):
    found = verdict.judge(results(*better), results(*worse))
    assert found.word == word


def test_the_sentences():
    experiment = table.EXPERIMENTS["residual"]
    claim = experiment.claims[0]

    def told(better, worse):
        both = {claim.better: results(*better), claim.worse: results(*worse)}
        found = verdict.judge(both[claim.better], both[claim.worse])
        return verdict.sentence(experiment, claim, both, found)

    text = told([900, 910, 920], [700, 710, 720])
    assert text.startswith("32 residual layers 91.00%, 32 plain layers 71.00%: +20.00 points (95%:")
    assert "agrees with the claim of He et al. 2015" in text and "28.54" in text
    assert "this disagrees" in told([700, 710, 720], [900, 910, 920])
    assert "cannot be told" in told([900, 910, 920], [905, 905, 915])
    assert "one seed cannot tell whether" in told([900], [700])
    text = told([900, 910], [None, 700])
    assert "32 plain layers 70.00% (1 of 2 runs did not train)" in text
    assert "32 plain layers did not train in 2 of 2 runs;" in told([900, 910], [None, None])


@pytest.mark.parametrize(
    "ours, theirs, told",
    [
        ([[0.5, 0.8], [0.7, 0.8]], [[0.2, 0.6], [0.2, 0.6]], "by epoch 1 .*60.0%, epoch 2"),
        ([[0.5, 0.8]], [[0.9, 0.6]], None),  # it never was so good
        ([[0.5, 0.8]], [[0.2, 0.7]], None),  # not sooner
        ([], [[0.2, 0.7]], None),
    ],
)
def test_how_much_sooner_is_told(ours, theirs, told, tmp_path):
    session, both = session_of("residual", False, tmp_path), {"residual": ours, "plain": theirs}
    session.config["seeds"] = 2
    session = Session(tmp_path, session.config)
    session.training = dataclasses.replace(session.training, epochs=2)
    for arm in session.experiment.arms:
        for seed, accuracies in enumerate(both[arm.name]):
            folder = session.run(arm, seed)
            folder.mkdir(parents=True)
            rows = "".join(f"{i},{a}\n" for i, a in enumerate(accuracies, 1))
            (folder / "history.csv").write_text(f"epoch,val_accuracy\n{rows}")
    found = work.pace(session, session.experiment.claims[0])
    assert found is None if told is None else re.search(told, found)


# A whole one

TINY = ["--limit-images", "60", "--epochs", "1", "--seeds", "1"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a short experiment, and what it printed."""
    out = tmp_path_factory.mktemp("experiments") / "bn"
    words = [sys.executable, "-m", "keras_cnns", "experiment", "batch-norm", *TINY, "--json"]
    finished = subprocess.run(
        [*words, "--out", out], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return out, finished.stdout


def rows_of(out):
    with open(out / "results.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_every_arm_is_trained_with_every_seed_and_told(done):
    out, output = done
    rows = rows_of(out)
    assert [(row["arm"], row["seed"]) for row in rows] == [
        ("without", "0"), ("with", "0"),
    ]  # fmt: skip
    assert {row["test_images"] for row in rows} == {"359"}
    summary = json.loads(output.splitlines()[-1])
    assert summary == json.loads((out / "summary.json").read_text())
    for name, arm in summary["arms"].items():
        mean = np.mean([float(row["test_accuracy"]) for row in rows if row["arm"] == name])
        assert arm["accuracy"] == pytest.approx(mean)
        assert arm["accuracy_95"][0] < mean < arm["accuracy_95"][1]
        told = f"{arm['words'][1:]} came out no better than guessing (10%)"
        assert (told in " ".join(summary["caveats"])) == (arm["accuracy_95"][0] <= 0.1)
    assert [claim["verdict"] for claim in summary["claims"]][0] in verdict.ENDS
    with Image.open(out / "experiment.png") as picture:
        assert picture.width > 900


def test_a_run_of_it_is_a_run_as_any_other(done, run):
    out, _ = done
    status, output, _ = run("keras_cnns", "evaluate", out / "runs/with-seed0", "--json")
    assert status == 0
    report, row = json.loads(output.splitlines()[-1]), rows_of(out)[1]
    assert report["accuracy"] == pytest.approx(float(row["test_accuracy"]))


@pytest.mark.parametrize(
    "event", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stopped_one_goes_on_and_repeats_nothing(done, event, tmp_path, run):
    out, first = tmp_path / "bn", tmp_path / "bn" / "answers" / "without-seed0.json"
    words = [sys.executable, "-m", "keras_cnns", "experiment", "batch-norm", *TINY, "--out", out]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not first.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(event)
    errors = process.communicate()[1]
    assert first.exists()
    if event == signal.SIGTERM:
        assert process.returncode == 143
        if "to go on" in errors:  # it came in a training, not between two
            assert f"experiment --resume --out {out}" in errors
    kept = {
        path: path.stat().st_mtime_ns for path in (first, out / "runs/without-seed0/model.keras")
    }
    more = ("--resume", "--seeds", "2", "--out", out)
    status, output, errors = run("keras_cnns", "experiment", *more)
    assert status == 0, errors
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert rows_of(out)[:2] == rows_of(done[0])
    assert [row["seed"] for row in rows_of(out)] == ["0", "0", "1", "1"]
    assert "Does batch normalization help?" in output and "--seeds 4" in output


def test_the_same_words_take_an_experiment_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = NAMED | {"data": "folder:x", "data_dir": "sets"}
    changes = {"weights": "w.npz"}
    more = {"full": False, "recipe": None, "seeds": None}
    begin("e", "depth", changes=changes, named=named, **more).write()
    assert Session.open("e", "depth", changes=changes, named=named).config["seeds"] == 3
    with pytest.raises(UserError, match="begun with data_dir=.*/sets, not .*/others"):
        Session.open("e", named={"data_dir": "others"})


def test_other_settings_are_refused_on_the_way(done, run):
    out, _ = done
    with pytest.raises(UserError, match="begun with epochs=1, not 3"):
        Session.open(out, changes={"epochs": "3"})
    with pytest.raises(UserError, match="begun with experiment=batch-norm, not depth"):
        Session.open(out, "depth")
    with pytest.raises(UserError, match="begun with 1 seed, and 0 is less"):
        Session.open(out, seeds=0)
    status, _, errors = run("keras_cnns", "experiment", "--resume", "--out", out, "--data", "x")
    assert status == 2 and "begun with data=digits" in errors
    assert [*Session.open(out).seeds] == [0]


def test_a_training_that_fails_is_an_outcome(run, tmp_path):
    words = ["experiment", "residual", *TINY[:4], "--seeds", "1", "learning_rate=1e12"]
    status, output, errors = run(
        "keras_cnns", *words, "optimizer.name=sgd", "--out", tmp_path / "x"
    )
    assert status == 3 and "no training of" in errors  # of all; one arm's failure is a finding
    assert "did not train in 1 of 1 runs" in output
    rows = rows_of(tmp_path / "x")
    assert all(row["status"].startswith("failed: the ") for row in rows)
    assert all(row["macs"] and not row["test_accuracy"] for row in rows)
    assert "One seed" in output


@pytest.mark.parametrize(
    "words, sentence",
    [
        (
            ["batchnorm", "--out", "x"],
            "no experiment is named 'batchnorm'; did you mean batch-norm?",
        ),
        (["batch-norm"], "name a new folder with --out"),
        (["batch-norm", "--full", "--out", "x"], "--full of batch-norm is for Fashion-MNIST"),
        (["batch-norm", "--seeds", "0", "--out", "x"], "--seeds is at least 1, not 0"),
        (["batch-norm", "epoch=3", "--out", "x"], "did you mean epochs?"),
        (["batch-norm", "--augment", "digit", "--out", "x"], "did you mean digits?"),
        (["batch-norm", "--recipe", "plane", "--out", "x"], "did you mean plain?"),
        (["batch-norm", "--image-size", "4", "--out", "x"], "cannot be built for 4 x 4 images"),
        (["--resume", "--out", "x"], "x is not there"),
        (["--resume", "--out", "."], ". holds no experiment that could be taken up"),
        (["--out", "x"], "name an experiment: batch-norm, residual"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(words, sentence, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, errors = run("keras_cnns", "experiment", *words)
    assert status == 2 and sentence in errors and len(errors.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_holds_something_is_refused(done, run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    status, _, errors = run("keras_cnns", "experiment", "batch-norm", "--out", tmp_path)
    assert status == 2 and "holds other files (mine.txt)" in errors
    status, _, errors = run("keras_cnns", "experiment", "batch-norm", "--out", done[0])
    assert status == 2 and "holds an experiment already; to go on with it: " in errors


def test_the_list_names_every_experiment(run):
    status, output, _ = run("keras_cnns", "experiment")
    assert status == 0
    for name, experiment in table.EXPERIMENTS.items():
        assert f"{name}: {experiment.question}" in output
    listed = json.loads(run("keras_cnns", "experiment", "--json")[1])
    assert [*listed] == [*table.EXPERIMENTS]
