"""What TensorBoard shows of a training, asked over its HTTP API as its page does."""

import json
import threading
import urllib.parse
import urllib.request

import pytest

from keras_cnns.training.board import profiled, restart
from keras_cnns.training.recipes import Board, Checkpoint, Optimizer, Training
from keras_cnns.training.train import train
from pipelines.errors import UserError


@pytest.fixture(scope="module")
def ask(tmp_path_factory, digits):
    """Answers of a TensorBoard over a short training: a function of path and query."""
    from tensorboard import program

    out = tmp_path_factory.mktemp("board") / "run"
    settings = Training(
        epochs=2, augment="digits", optimizer=Optimizer("sgd", 0.01),
        tensorboard=Board(every_steps=5, histograms=2), checkpoint=Checkpoint(every_steps=19),
    )  # fmt: skip
    train("lenet", digits, settings, out)
    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", str(out / "tensorboard"), "--port", "0"])
    url = board.launch()

    def get(path, **query):
        words = urllib.parse.urlencode(query)
        address = f"{url}data/{path}?{words}"
        body = json.dumps(query).encode() if path.startswith("plugin/hparams") else None
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def read():
        tags = json.loads(get("plugin/scalars/tags"))
        ends = [run for run in tags if "epoch_loss" in tags[run]]
        points = [get("plugin/scalars/scalars", run=run, tag="epoch_loss") for run in ends]
        both = [len(json.loads(found)) for found in points] == [2, 2]
        return both and b"mistakes" in get("plugin/images/tags")

    # The event files are read in the background; what is asked before finds nothing.
    for _ in range(1200):
        if read():
            break
        threading.Event().wait(0.05)
    return get


def test_scalars_of_steps_and_epochs(ask):
    tags = json.loads(ask("plugin/scalars/tags"))
    assert set(tags) == {"train", "validation"}
    assert {"epoch_loss", "epoch_accuracy"} <= set(tags["validation"])
    assert {"epoch_gradient_norm", "epoch_learning_rate", "images_per_second"} <= set(tags["train"])
    assert {"step_loss", "step_gradient_norm", "learning_rate"} <= set(tags["train"])
    points = json.loads(ask("plugin/scalars/scalars", run="train", tag="epoch_loss"))
    assert [step for _, step, _ in points] == [19, 38]
    assert (
        len(json.loads(ask("plugin/scalars/scalars", run="train", tag="step_loss"))) >= 2
    )  # one an epoch at least


def test_pictures_of_augmented_images_and_of_mistakes(ask):
    tags = json.loads(ask("plugin/images/tags"))
    for run, tag in (
        ("train", "augmentation"), ("train", "first batch, augmented"), ("validation", "mistakes"),
    ):  # fmt: skip
        assert tag in tags[run]
        found = json.loads(ask("plugin/images/images", run=run, tag=tag, sample=0))
        picture = urllib.parse.parse_qs(found[0]["query"])
        assert ask("plugin/images/individualImage", **{k: v[0] for k, v in picture.items()})[
            :4
        ] == (b"\x89PNG")


def test_histograms_config_graph_and_hyperparameters(ask):
    tags = json.loads(ask("plugin/histograms/tags"))["train"]
    kernel = next(tag for tag in tags if "kernel" in tag)
    assert len(json.loads(ask("plugin/histograms/histograms", run="train", tag=kernel))) == 2
    text = ask("plugin/text/text", run="train", tag="config").decode()
    assert "learning_rate: 0.01" in text
    assert b"conv" in ask("plugin/graphs/graph", run="train", conceptual="true", tag="keras")
    experiment = json.loads(ask("plugin/hparams/experiment", experimentName=""))
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"optimizer.learning_rate", "epochs", "model"} <= names


def test_a_restarted_training_shows_each_step_once(tmp_path):
    import tensorflow as tf
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    def older(place):
        """Files are read by the second that their names tell; these are all of one."""
        [new] = tmp_path.glob("events.out.tfevents.??????*")
        new.rename(tmp_path / f"events.out.tfevents.{place}")

    for place, (first, value) in enumerate(((0, 3.0), (0, 1.0), (10, 2.0))):
        restart(tmp_path, first)
        older(2 * place)
        writer = tf.summary.create_file_writer(str(tmp_path))
        with writer.as_default():
            for step in range(first + 1 if first else 0, 21):
                tf.summary.scalar("loss", value, step=step)
        writer.close()
        older(2 * place + 1)
    events = EventAccumulator(str(tmp_path), {"tensors": 0})
    events.Reload()
    found = [(e.step, tf.make_ndarray(e.tensor_proto).item()) for e in events.Tensors("loss")]
    assert found == [(step, 1.0 if step <= 10 else 2.0) for step in range(21)]


def test_a_profile_of_a_few_steps_on_demand(digits, tmp_path):
    settings = Training(epochs=1, tensorboard=Board(profile="3-5"))
    train("lenet", digits, settings, tmp_path / "run")
    assert list((tmp_path / "run" / "tensorboard").rglob("*.xplane.pb"))


@pytest.mark.parametrize("words", ["5", "5-3", "a-b", "0-3"])
def test_a_wrong_profile_is_refused(words):
    with pytest.raises(UserError, match="two steps"):
        profiled(words)
