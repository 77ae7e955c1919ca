"""Beginning from given weights: which layers move when, and what does not fit."""

import json

import keras
import numpy as np
import pytest

from export import models
from keras_cnns import registry
from keras_cnns.training import recipes
from keras_cnns.training.initial import Initial
from keras_cnns.training.job import Job
from keras_cnns.training.recipes import Finetune, Optimizer, Training
from keras_cnns.training.train import train
from pipelines import dataset
from pipelines.errors import UserError
from pipelines.sources.base import Source


def few_classes(digits, count):
    """The digits below `count`, as a source of their own."""
    splits = {
        name: dataset.subset(split, np.flatnonzero(split.labels < count))
        for name, split in digits.splits.items()
    }
    return Source("digits", digits.classes[:count], 1, splits, "few")


def values(model):
    return {w.path: w.numpy() for w in model.weights}


def test_the_head_is_trained_first_and_then_all_at_a_lower_rate(digits, trained):
    settings = Training(
        epochs=2, weights=str(trained), finetune=Finetune(head_epochs=1, factor=0.1),
        optimizer=Optimizer("sgd", 0.5, momentum=0.0),
    )  # fmt: skip
    job = Job("lenet", few_classes(digits, 4), settings)
    assert job.dropped == [job.model.layers[-1].name]
    kept = models.load_keras(trained / "model.keras")
    for layer in job.model.layers[:-1]:
        theirs = kept.get_layer(layer.name).get_weights()
        for mine, given in zip(layer.get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(mine, given)
    before, batches = values(job.model), job.batches()
    head = {w.path for w in job.model.layers[-1].weights}
    first = job.engine(0)
    first.run(batches, 2)
    between = values(job.model)
    moved = {path for path in before if not np.array_equal(before[path], between[path])}
    assert moved == head
    second = job.engine(1)
    assert float(second.rate(0)) == pytest.approx(0.1 * float(first.rate(0)))
    second.run(batches, 2)
    after = values(job.model)
    assert all(not np.array_equal(between[path], after[path]) for path in head)
    assert len({path for path in after if not np.array_equal(between[path], after[path])}) > 2


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_of_batch_norm_stay_where_they_are_frozen(frozen, digits):
    settings = Training(image_size=8, batch_size=8, finetune=Finetune(freeze_norms=frozen))
    job = Job("resnet20_cifar", digits, settings)
    norms = [x for x in job.model.layers if isinstance(x, keras.layers.BatchNormalization)]
    before = [w.numpy() for layer in norms for w in layer.weights]
    job.engine(0).run(job.batches(), 1)
    after = [w.numpy() for layer in norms for w in layer.weights]
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(same) if frozen else not any(same[2::4])


def test_torch_weights_begin_a_training(digits, tmp_path):
    """A checkpoint of torch names with another head: all but the head is taken over."""
    from keras_cnns.weights import PARTS

    rng, tensors = np.random.default_rng(0), {}
    bare = registry.build("resnet20_cifar", 7, (8, 8, 1))
    for layer in bare.layers:
        for part, weight in zip(PARTS.get(type(layer).__name__, ()), layer.weights, strict=False):
            shape = tuple(weight.shape)
            shape = {4: (shape[-1], *shape[-2::-1])}.get(len(shape), shape[::-1])
            tensors[f"{layer.name}.{part}"] = rng.random(shape, np.float32) + 0.5
    np.savez(tmp_path / "w.npz", **tensors)
    settings = Training(image_size=8, weights=str(tmp_path / "w.npz"))
    job = Job("resnet20_cifar", digits, settings)
    assert len(job.dropped) == 1
    first = next(x for x in job.model.layers if isinstance(x, keras.layers.Conv2D))
    given = tensors[f"{first.name}.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(first.get_weights()[0], given)


def test_weights_of_another_network_are_refused(digits, trained, tmp_path):
    settings = Training(weights=str(trained), image_size=32)
    with pytest.raises(UserError, match="does not fit resnet20_cifar"):
        train("resnet20_cifar", digits, settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


SIZE = (8, 8, 3)


def kept(name, path, *, classes=10, widths=None, shape=SIZE):
    """A .keras file as a training keeps it: the main head alone."""
    model = registry.build_for_pixels(name, classes, shape, widths)
    model = keras.Model(model.input, model.outputs[0], name=model.name)
    model.save(path)
    return model


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        ("resnet32_cifar", "resnet20_cifar", "no place for its layer1_3_conv1"),
        ("resnet20_cifar", "resnet32_cifar", "lacks layer1_3_conv1"),
        ("resnet20_cifar+depths=2,3,3", "resnet20_cifar", "lacks layer1_2_conv1"),
        ("resnet20_cifar", "resnet20_cifar+depths=2,3,3", "no place for its layer1_2_conv1"),
    ],
)
def test_layers_left_over_on_either_side_are_an_error(given, wanted, message, tmp_path):
    kept(given, tmp_path / "x.keras")
    model = registry.build_for_pixels(wanted, 10, SIZE)
    with pytest.raises(UserError, match="does not fit") as error:
        Initial(tmp_path / "x.keras", registry.find(wanted)).fill(model)
    assert message in str(error.value)


@pytest.mark.parametrize("classes", [10, 7])
def test_other_widths_are_an_error_whatever_the_classes(classes, tmp_path):
    kept("resnet20_cifar", tmp_path / "x.keras", widths=(1, 1, 0.5))
    model = registry.build_for_pixels("resnet20_cifar", classes, SIZE)
    with pytest.raises(UserError, match="of other shapes are its layer3_0_conv1, .* layers\\)"):
        Initial(tmp_path / "x.keras", registry.find("resnet20_cifar")).fill(model)


@pytest.mark.parametrize("classes", [10, 7])
@pytest.mark.parametrize("name", ["resnet20_cifar", "resnet20_cifar+depths=2,3,3"])
def test_a_network_that_a_search_found_begins_from_its_own_weights(name, classes, tmp_path):
    """With its widths and depths; for other classes all but the head."""
    theirs = kept(name, tmp_path / "x.keras", widths=(1, 0.5, 1))
    model = registry.build_for_pixels(name, classes, SIZE, (1, 0.5, 1))
    initial = Initial(tmp_path / "x.keras", registry.find(name))
    dropped = initial.fill(model)
    assert dropped == ([] if classes == 10 else ["fc"])
    for layer in model.layers:
        if layer.name not in dropped:
            for mine, given in zip(
                layer.get_weights(), theirs.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(mine, given)


def test_auxiliary_heads_which_no_kept_model_has_are_drawn_and_named(tmp_path):
    name, shape, widths = "googlenet_torchvision_aux", (32, 32, 3), (0.1,) * 4
    kept(name, tmp_path / "x.keras", shape=shape, widths=widths)
    model = registry.build_for_pixels(name, 10, shape, widths)
    dropped = Initial(tmp_path / "x.keras", registry.find(name)).fill(model)
    assert dropped
    assert all(layer.startswith("aux") for layer in dropped)


def test_another_network_of_the_same_weights_is_told(digits, tmp_path):
    kept("plain20_cifar", tmp_path / "x.keras", classes=7, shape=(8, 8, 1))
    settings = Training(image_size=8, weights=str(tmp_path / "x.keras"))
    job = Job("resnet20_cifar", digits, settings)
    assert [sentence.rpartition("/")[2] for sentence in job.told] == [
        "x.keras is a plain20_cifar; its weights fit resnet20_cifar",
        "x.keras has none that fit: fc",
    ]


def test_the_recipe_and_widths_on_the_command_line(run, trained, tmp_path):
    (tmp_path / "best.yaml").write_text("[1, 0.5, 1, 1]\n")
    words = f"train --model lenet --data digits --epochs 1 --widths {tmp_path / 'best.yaml'}"
    status, output, _ = run("keras_cnns", *words.split(), "--out", tmp_path / "thin", "--json")
    assert status == 0
    thin = json.loads(output.splitlines()[-1])["params"]
    assert thin < models.load_keras(trained / "model.keras").count_params()
    words = f"train --model lenet --data digits --recipe finetune --epochs 2 --weights {trained}"
    status, output, _ = run(
        "keras_cnns",
        *words.split(),
        "--out",
        tmp_path / "tuned",
        "finetune.head_epochs=1",
        "--json",
    )
    assert status == 0
    # The repetition by its config.yaml is the same to the bit.
    words = ["train", "--config", tmp_path / "tuned" / "config.yaml", "--out", tmp_path / "again"]
    assert run("keras_cnns", *words)[0] == 0
    pair = [
        models.load_keras(tmp_path / n / "model.keras").get_weights() for n in ("tuned", "again")
    ]
    for a, b in zip(*pair, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "config",
    [
        {"epochs": 5, "learning_rate": 0.5},  # a knob by its last part, as key=value has it
        {"epochs": 5, "optimizer.learning_rate": 0.5, "found": {"search": "s"}},
        {"epochs": 5, "optimizer": {"learning_rate": 0.5}, "trained_on": ["train"], "xla": True},
    ],
)
def test_a_file_of_settings_names_knobs_as_words_do(config):
    training = recipes.of_config(config | {"model": "lenet", "bad_images": "skip"})
    assert (training.epochs, training.optimizer.learning_rate) == (5, 0.5)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--widths", "x.yaml"], "no file x.yaml of widths"),
        (["--widths", "1,1"], "takes"),
        (["--weights", "x.keras"], "no file x.keras"),
        (["--config", "x.yaml"], "no file x.yaml"),
        (["--config", "epocs: 50"], "is named 'epocs'; did you mean epochs"),
        (["--config", "modle: lenet"], "is named 'modle'; did you mean model"),
        (["--config", "optimizer: {momentun: 1}"], "did you mean optimizer.momentum"),
        (["--config", "1: 2"], "no setting of a training is named 1;"),
        (["--config", "epocs: 50", "--recipe", "plain"], "did you mean epochs"),
        (["augment=digit"], "did you mean digits"),
        (["tensorboard.profile=5"], "two steps"),
    ],
)
def test_wrong_words_are_refused(words, message, run, tmp_path):
    base = ["train", "--model", "lenet", "--data", "digits", "--out", tmp_path / "out"]
    if ": " in words[-1] or len(words) == 4:  # what a file of settings holds
        (tmp_path / "c.yaml").write_text(words[1] + "\n")
        words = [words[0], tmp_path / "c.yaml", *words[2:]]
    status, _, errors = run("keras_cnns", *base, *words)
    assert status == 2
    assert message in errors
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tells_the_cost_and_leaves_nothing(run, tmp_path):
    base = ["train", "--model", "lenet", "--data", "digits", "--dry-run", "--json", "--out"]
    status, output, _ = run("keras_cnns", *base, tmp_path / "out")
    report = json.loads(output.splitlines()[-1])
    assert status == 0
    assert report["params"] == 81_194
    assert report["macs"] == 274_656
    assert report["weights_bytes"] == 4 * 81_194
    assert report["steps"] == 12 * 19
    assert report["seconds"] > report["seconds_a_step"] > 0
    assert not (tmp_path / "out").exists()


def test_more_memory_than_there_is_is_told_in_a_sentence(run, tmp_path):
    words = ["train", "--model", "lenet", "--data", "digits", "--dry-run", "--out", tmp_path / "x"]
    status, _, errors = run("keras_cnns", *words, "--image-size", "60000")
    assert status == 4
    assert "not enough memory (OOM when allocating" in errors
    assert "try a smaller --batch-size or --image-size" in errors


@pytest.mark.parametrize("command", ["find-rate", "search", "experiment"])
def test_memory_that_is_short_is_told_alike_by_every_command(command, run, tmp_path, monkeypatch):
    def short(*_, **__):
        raise MemoryError("Unable to allocate 3. TiB for an array")

    monkeypatch.setattr("keras_cnns.registry._assemble", short)
    out = tmp_path / ("x.png" if command == "find-rate" else "x")
    words = ["residual"] if command == "experiment" else ["--model", "lenet"]
    words += ["--max-macs", "9"] if command == "search" else []
    status, _, errors = run("keras_cnns", command, *words, "--data", "digits", "--out", out)
    assert status == 4, errors
    assert "not enough memory (Unable to allocate 3. TiB for an array); try" in errors
    assert not out.exists()


def test_the_rate_finder_suggests_a_rate_that_trains(run, tmp_path):
    words = ["find-rate", "--model", "lenet", "--data", "digits", "--json", "--out"]
    status, output, _ = run("keras_cnns", *words, tmp_path / "rate.png")
    found = json.loads(output.splitlines()[-1])
    assert status == 0
    assert 1e-4 < found["suggested"] < 0.5
    assert (tmp_path / "rate.png").read_bytes()[:4] == b"\x89PNG"


def test_the_suggestion_is_the_steepest_fall():
    from keras_cnns.training.rate_finder import suggest
    from pipelines.errors import TrainingFailed

    rates = np.geomspace(1e-6, 1, 61)
    losses = 2 - 1 / (1 + np.exp(-4 * np.log(rates / 1e-3)))
    assert suggest(rates, losses) == pytest.approx(1e-3, rel=0.3)
    with pytest.raises(TrainingFailed):
        suggest(rates, np.linspace(1, 2, 61))
