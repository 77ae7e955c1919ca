"""Whole searches: limits, failures, what they leave, and taking them up again."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from keras_cnns import registry
from keras_cnns.commands.search import retrained_line
from keras_cnns.found import widths as widths_in
from keras_cnns.search import front, measure, objectives, page, pareto, retrain, work
from keras_cnns.search.narrowest import Narrowest
from keras_cnns.search.results import DONE, FAILED, HALTED, REFUSED, refusals
from keras_cnns.search.session import Session, begin
from keras_cnns.search.settings import ORACLES, Search
from keras_cnns.search.space import Space
from keras_cnns.search.standing import summary
from keras_cnns.training import recipes
from pipelines.check import Checks
from pipelines.errors import EnvironmentFault, UserError
from pipelines.files import write_json
from pipelines.settings import resolve
from pipelines.sources import open_source

# A whole search, with an objective that needs no training


def fake(session):
    """Accuracy that wants width, latency that does not; the values decide both."""

    def evaluate(name, values, at_rung=None, kind="searched"):
        widths = [float(values[f"width_{i}"]) for i in range(session.space.variant.stages)]
        macs = sum(widths)
        found = {"kind": kind, "values": values, "model": session.model, "widths": widths}
        found |= {
            "status": DONE,
            "reason": None,
            "image_size": 32,
            "epochs": 9,
            "mark": str(widths),
        }
        accuracy = 1 - 0.4 / macs - 0.1 * abs(widths[0] - 0.5)
        numbers = {"accuracy": accuracy, "tflite_accuracy": accuracy, "latency": macs / 4}
        numbers |= {"latency_ms": 1.0, "reference_ms": 1.0, "bytes": int(1e4 * macs)}
        numbers |= {"macs": int(1e6 * macs), "params": int(9e3 * macs), "arena": 1000}
        numbers |= {"val_images": 100, "tflite_images": 100, "epochs_done": 9, "best_epoch": 9}
        return found | numbers | {"seconds": 0.02, "training_seconds": 0.02}

    return evaluate


@pytest.fixture
def alone(monkeypatch):
    """No environment of keras-tuner's, before and after."""
    for name in (work.ID, work.IP, work.PORT, work.SUPERVISED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(work.ID, work.ALONE)


def make_session(out, *, data="digits", training=None, tune=None, **search):
    job = {"model": "lenet", "data": data, "data_dir": None, "recipe": "plain"}
    job["training"] = training or recipes.Training(epochs=9)
    session = begin(out, job, resolve(Search(), search), tune or {})
    session.claim()
    session.write()
    return session


def test_a_search_takes_the_images_that_it_was_told_to_and_no_others(tmp_path):
    job = {"model": "lenet", "data": "digits", "data_dir": None, "recipe": "plain"}
    job |= dataclasses.asdict(Checks(limit_images=100)) | {"training": recipes.Training()}
    session = begin(tmp_path / "s", job, Search(), {})
    assert len(session.source.splits["train"]) == pytest.approx(100, abs=5)
    session.write()
    assert session.opened["limit_images"] == 100  # and so its runs
    with pytest.raises(UserError, match="limit_images=100, not 200"):
        Session.open(tmp_path / "s", named={"limit_images": 200})


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_oracle_searches_and_can_be_taken_up(oracle, tmp_path, alone):
    session = make_session(tmp_path / "s", oracle=oracle, trials=9)
    assert session.search.population_size == 4
    evaluate, asked = fake(session), []

    def until_killed(name, values, at_rung=None, kind="searched"):
        asked.append(name)
        if len(asked) == 6:
            raise KeyboardInterrupt  # in mid-trial
        return evaluate(name, values, at_rung, kind)

    with pytest.raises(KeyboardInterrupt):
        work.run(session, until_killed)
    again = Session.open(tmp_path / "s")
    work.run(again, until_killed)
    names = [name for name in asked if not name.startswith("uniform")]
    twice = [name for name in set(names) if names.count(name) > 1]
    assert twice == [names[3]]  # the one that was killed, and no other
    done = again.results.of(DONE, kind="searched")
    assert len(done) == (4 if oracle == "uniform" else 9)
    assert len({json.dumps(r["values"], sort_keys=True) for r in done}) == len(done)
    members, best = front.write(again)
    left = "no candidate left" in summary(again, best, members)["ended_early"]
    assert left == (oracle == "uniform")
    points = [objectives.point(r, again.objectives) for r in members]
    assert pareto.fronts(points)[0] == list(range(len(points)))
    assert best in members


def test_evolution_and_the_front_find_more_than_random(tmp_path, alone, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)  # hundreds of files that nobody needs
    volumes = {}
    for oracle in ("random", "evolution", "pareto"):
        for seed in (0, 1, 2):
            session = make_session(
                tmp_path / f"{oracle}{seed}", oracle=oracle, trials=40, baseline="none",
                objectives="accuracy,latency", multipliers="0.25:2:0.25",
                training=recipes.Training(epochs=9, seed=seed),
            )  # fmt: skip
            work.run(session, fake(session))
            points = [objectives.point(r, session.objectives) for r in session.results.of(DONE)]
            volumes.setdefault(oracle, []).append(pareto.hypervolume(points, (0.0, 2.0)))
    assert np.mean(volumes["pareto"]) > np.mean(volumes["random"])
    assert np.mean(volumes["evolution"]) > np.mean(volumes["random"])


def test_the_front_is_held_against_the_uniform_network_of_the_nearest_latency(tmp_path, alone):
    session = make_session(tmp_path / "s", trials=4, baseline="0.5,1", retrain=2)
    work.run(session, fake(session))
    members, chance = front.members(session), np.random.default_rng(0)
    latency = {r["id"]: 0.7 for r in members} | {"uniform-0.5": 0.5, "uniform-1": 1.0}
    for name in latency:
        for seed in range(2):
            right = chance.random(200) < (0.9 if name == "uniform-0.5" else 0.95)
            found = {"right": right.tolist(), "tflite_right": right.astype(int).tolist()}
            found |= {"latency": latency[name], "bytes": 1000, "macs": 1000}
            write_json(session.folder(f"retrained/{name}-seed{seed}") / retrain.ANSWERS, found)
    gone_bad = {retrain.FAILED: "the loss became nan"}
    write_json(session.out / f"retrained/uniform-1-seed1/{retrain.ANSWERS}", gone_bad)
    rows = {row["id"]: row for row in retrain.retrain(session, say=lambda line: None)}
    assert rows.keys() == {*latency}
    assert [name for name, row in rows.items() if row["failed"]] == ["uniform-1"]
    for name, row in rows.items():
        other = "uniform-1" if name == "uniform-0.5" else "uniform-0.5"
        assert (row["seeds"], row["test_images"], row["against"]) == (2, 200, other)
        if not row["failed"] + rows[other]["failed"]:
            apart = row["tflite_accuracy"] - rows[other]["tflite_accuracy"]
            assert row["difference"] == pytest.approx(apart, abs=2e-5)
        assert row["difference_low"] < row["difference"] < row["difference_high"]
        assert row["tflite_accuracy_low"] < row["tflite_accuracy"] < row["tflite_accuracy_high"]
    assert retrained_line(rows["uniform-1"]).endswith("latency x1.000, failed in 1 of 2 trainings")
    page.write(session, [*rows.values()])
    text = (session.out / "index.html").read_text()
    assert "2 seeds" in text and "uniform-0.5 (latency 0.500)" in text


def test_what_fails_is_told_and_never_chosen(tmp_path, alone):
    session = make_session(tmp_path / "s", trials=6, baseline="none", oracle="random")
    evaluate, count = fake(session), iter(range(100))

    def sometimes(name, values, at_rung=None, kind="searched"):
        found = evaluate(name, values, at_rung, kind)
        i = next(count)
        if i % 3 == 0:
            return found | {"status": FAILED, "reason": "the loss became nan", "accuracy": 2.0}
        if i % 3 == 1:
            return found | {"status": REFUSED, "limit": "max_macs", "reason": "macs over"}
        return found

    work.run(session, sometimes)
    members, best = front.write(session)
    facts = summary(session, best, members)
    assert (facts["completed"], facts["failed"]) == (3, 3)
    assert facts["ended_early"] == ""
    assert facts["refused"] == refusals(session.results.all())["max_macs"] == 3
    assert {r["status"] for r in members} == {DONE}
    assert best["accuracy"] < 1


def test_the_chosen_one_is_the_cheapest_within_a_standard_error():
    session = SimpleNamespace(objectives=objectives.parse("accuracy,latency"))
    front_ = [
        {"accuracy": 0.90, "latency": 1.0, "val_images": 100},
        {"accuracy": 0.88, "latency": 0.6, "val_images": 100},
        {"accuracy": 0.86, "latency": 0.1, "val_images": 100},
    ]
    # One standard error of 90% of 100 images is 3 points: 88% is as good, 86% is not.
    assert front.standard_error(front_, "accuracy") == pytest.approx(0.03)
    assert front.chosen(session, front_) is front_[1]
    assert front.chosen(session, []) is None
    session.objectives = objectives.parse("macs")
    assert front.chosen(session, front_[2:]) is front_[2]


def test_limits_are_hard_and_name_themselves():
    search = Search(max_macs=100, max_bytes=1000, max_latency_ratio=0.5)
    assert objectives.broken(search, {"macs": 100, "bytes": 1000, "latency": 0.5}) is None
    assert objectives.broken(search, {"macs": 101})[0] == "max_macs"
    assert objectives.broken(search, {"bytes": 1001})[0] == "max_bytes"
    name, sentence = objectives.broken(search, {"latency": 0.51})
    assert name == "max_latency_ratio"
    assert "--max-latency-ratio" in sentence
    assert objectives.broken(Search(), {"macs": 1e12}) is None


def test_a_latency_that_the_narrowest_does_not_keep_is_told_at_the_start(tmp_path):
    told = []
    search = {"max_latency_ratio": 1e-6, "rounds": 3, "multipliers": "0.25,1"}
    session = make_session(tmp_path / "s", **search)
    narrowest = Narrowest(session)
    narrowest.refuse()
    narrowest.tell_latency(told.append)
    assert len(told) == 1 and "even the narrowest candidate breaks a limit: latency" in told[0]
    session.search = dataclasses.replace(session.search, max_latency_ratio=1e6)
    narrowest.tell_latency(told.append)
    assert len(told) == 1


def test_the_narrowest_costs_least_of_all_candidates():
    search = Search(multipliers="0.5,1", depths="1,2", image_sizes="24,32", flavours="all")
    space = Space("resnet20_cifar", recipes.Training(), search)
    least = space.narrowest()
    assert {least[f"{kind}_{i}"] for i in range(3) for kind in ("width", "depth")} == {"0.5", "1"}
    assert least["image_size"] == "24"
    candidate = space.candidate(least)
    assert candidate.training.widths == (0.5,) * 3 and candidate.training.image_size == 24
    cells = Space("nasnet_a_mobile", recipes.Training(), Search(cells=True))
    assert cells.narrowest() is None


def test_widths_without_the_settings_found_with_them_are_told(tmp_path, alone, run):
    out = tmp_path / "s"
    session = make_session(out, trials=3, tune={"learning_rate": "0.01,0.02"})
    work.run(session, fake(session))
    _, best = front.write(session)
    rate = best["values"]["tune.learning_rate"]
    words = ["train", "--data", "digits", "--dry-run", "--out", tmp_path / "r"]
    said = f"best.yaml was found with learning_rate={rate}, which --widths leaves out"
    for more, is_told in ((), True), ((f"learning_rate={rate}",), False):
        status, _, errors = run("keras_cnns", *words, "--widths", out / "best.yaml", *more)
        assert status == 0, errors
        assert (said in errors) == is_told
    assert said not in run("keras_cnns", *words, "--config", out / "best.yaml")[2]


def test_a_folder_of_many_runs_says_where_they_are(tmp_path, alone, run):
    session = make_session(tmp_path / "s", trials=3)
    status, _, errors = run("keras_cnns", "evaluate", session.out)
    assert status == 2 and errors.rstrip().endswith("it is a search; name one of its trials")
    place = session.folder("trials/0001")
    (place / "model.keras").touch()
    write_json(session.folder("trials/0000") / "result.json", {"status": REFUSED, "reason": "why"})
    errors = run("keras_cnns", "evaluate", session.out)[2]
    assert f"name one of its trials, such as {place}" in errors
    errors = run("keras_cnns", "evaluate", session.out / "trials/0000")[2]
    assert "it is a trial of a search that has none (refused: why)" in errors


def test_best_yaml_is_what_train_takes(tmp_path, alone):
    session = make_session(tmp_path / "s", trials=5)
    work.run(session, fake(session))
    _, best = front.write(session)
    text = (tmp_path / "s" / "best.yaml").read_text()
    config = yaml.safe_load(text)
    assert config["widths"] == best["widths"]
    assert widths_in(tmp_path / "s" / "best.yaml") == best["widths"]
    assert recipes.of_config(config).widths == tuple(best["widths"])
    assert recipes.of_config(config).epochs == 9
    assert (config["model"], config["data"]) == ("lenet", "digits")


def test_widths_of_a_file_bring_their_network(tmp_path):
    from keras_cnns import found

    path = tmp_path / "best.yaml"
    path.write_text("model: resnet20_cifar+depths=1,2,3\nwidths: [1, 0.5, 1]\nimage_size: 24\n")
    assert found.read(path)["image_size"] == 24
    for asked in (None, "resnet20_cifar", "resnet20_cifar+depths=1,2,3"):
        assert found.model_of(path, asked) == "resnet20_cifar+depths=1,2,3"
    with pytest.raises(UserError, match="not of resnet32_cifar"):
        found.model_of(path, "resnet32_cifar")
    path.write_text("[1, 0.5, 1]\n")
    assert found.model_of(path, "lenet") == "lenet"
    assert found.model_of("1,0.5,1", "lenet") == "lenet"
    assert found.read(tmp_path / "none.yaml") == {}


def test_pictures_and_the_page_show_every_kind_of_trial(tmp_path, alone):
    from keras_cnns.search import page, plots

    session = make_session(tmp_path / "s", trials=6)
    evaluate, count = fake(session), iter(range(100))

    def mixed(name, values, at_rung=None, kind="searched"):
        found = evaluate(name, values, at_rung, kind)
        i = next(count)
        return found | ({"status": HALTED, "reason": "the rung <2>"} if i == 4 else {})

    work.run(session, mixed)
    front.write(session)
    plots.write(session)
    page.write(session)
    assert (tmp_path / "s" / "front.png").read_bytes()[:4] == b"\x89PNG"
    text = (tmp_path / "s" / "index.html").read_text()
    for word in ("uniform-0.5", "stopped early", 'class="star"', 'class="cross"', "&lt;2&gt;"):
        assert word in text
    for outside in ("http://", "https://", 'src="/', "<link"):
        assert outside not in text.replace("http://www.w3.org", "")


# Taking up


def test_a_search_keeps_its_settings(tmp_path, alone):
    make_session(tmp_path / "s", trials=5)
    session = Session.open(tmp_path / "s", {"trials": "8", "workers": "2"})
    assert (session.search.trials, session.search.workers) == (8, 2)
    assert Session.open(tmp_path / "s").search.trials == 8
    for changes in ({"oracle": "random"}, {"max_bytes": "5"}):
        with pytest.raises(UserError, match="was begun with"):
            Session.open(tmp_path / "s", changes)
    with pytest.raises(UserError, match="epochs=9"):
        Session.open(tmp_path / "s", training={"epochs": "3"})
    with pytest.raises(UserError, match="model=lenet"):
        Session.open(tmp_path / "s", named={"model": "lenet5"})
    with pytest.raises(UserError, match="no search"):
        Session.open(tmp_path / "elsewhere")


def test_more_trials_go_on_from_where_it_ended(tmp_path, alone):
    session = make_session(tmp_path / "s", trials=4, oracle="random", baseline="none")
    work.run(session, fake(session))
    again = Session.open(tmp_path / "s", {"trials": "7"})
    work.run(again, fake(again))
    assert [r["id"] for r in again.results.of(DONE)] == [f"{i:04}" for i in range(7)]


@pytest.mark.parametrize("moment", range(1, 12))
def test_an_oracle_killed_between_two_files_takes_up_every_trial_once(
    moment, tmp_path, alone, monkeypatch
):
    """Stop the search at the n-th file that the oracle writes, before or after it."""

    class Killed(BaseException):
        pass

    session = make_session(tmp_path / "s", trials=4, oracle="evolution", baseline="none")
    from keras_cnns.search.oracles import guard

    write, count = guard.write_json, iter(range(1, 10_000))

    def killed(path, value):
        n = next(count)
        if n == moment and moment % 2:
            raise Killed
        write(path, value)
        if n == moment:
            raise Killed

    monkeypatch.setattr(guard, "write_json", killed)
    evaluated = []
    evaluate = fake(session)

    def counting(name, *args, **options):
        evaluated.append(name)
        return evaluate(name, *args, **options)

    with pytest.raises(Killed):
        work.run(session, counting)
    monkeypatch.setattr(guard, "write_json", write)
    # The lock of the oracle that was killed inside of a method dies with its process.
    work.run(Session.open(tmp_path / "s"), counting)
    again = Session.open(tmp_path / "s")
    assert len(again.results.of(DONE)) == 4
    assert len(evaluated) == len(set(evaluated)) == 4
    tuner = work.Tuner(again, tmp_path / "s" / "oracle")
    assert sorted(tuner.oracle.end_order) == sorted(tuner.oracle.trials)
    assert len(tuner.oracle.completed()) == 4


def test_a_file_is_measured_beside_the_reference(bundled, tmp_path, alone):
    from keras_cnns.search.measure import Bench, of_file

    content = (bundled / "model_uint8.tflite").read_bytes()
    session = make_session(tmp_path / "s", rounds=3)
    (tmp_path / "s" / "reference.tflite").write_bytes(content)
    found = Bench(session).latency(content)
    assert found.keys() == {"latency", "latency_low", "latency_high", "latency_ms", "reference_ms"}
    assert all(0 < value < math.inf for value in found.values())
    assert of_file(content)["bytes"] == len(content)


def test_a_full_disk_ends_the_search_and_another_fault_only_the_trial(tmp_path, alone, monkeypatch):
    import tensorflow as tf

    from keras_cnns.search.trial import Evaluator

    evaluator = Evaluator(make_session(tmp_path / "s"))

    def raises(error):
        def evaluate(*_):
            raise error

        monkeypatch.setattr(evaluator, "_evaluate", evaluate)

    raises(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
        evaluator("0000", {})
    full = tf.errors.ResourceExhaustedError(None, None, "events.out; No space left on device")
    raises(full)  # TensorFlow's files say it with the word that is for memory elsewhere
    with pytest.raises(EnvironmentFault, match="^events.out; No space left on device$"):
        evaluator("0000", {})
    raises(RuntimeError("a kernel is missing"))
    result = evaluator("0000", {})
    assert (result["status"], result["reason"]) == (FAILED, "RuntimeError: a kernel is missing")
    assert "Traceback" in (tmp_path / "s" / "trials" / "0000" / "error.txt").read_text()


# Words


@pytest.mark.parametrize(
    "words, message",
    [
        ("--oracle paretto", "did you mean pareto"),
        ("--objectives acuracy", "did you mean accuracy"),
        ("--objectives accuracy,accuracy", "twice"),
        ("--multipliers 0", "above 0"),
        ("--widths 1,1,1,1", "--multipliers"),
        ("--max-byte 5", "did you mean --max-bytes"),
        ("--trials 0", "at least 1"),
        ("--tune epoch", "key=value"),
        ("--baseline x", "--baseline"),
        ("--reference lent", "did you mean lenet"),
        ("--reference=", "no network is named ''"),
        ("--tune momentum=0,1 --tune momentum=0.5,1", "momentum is given twice"),
        ("--max-macs 9", "even the narrowest candidate breaks a limit: macs 33,528 is over"),
        ("--max-bytes 9", "even the narrowest candidate breaks a limit: bytes 11,"),
    ],
)
def test_wrong_words_get_one_sentence_and_leave_nothing(words, message, run, tmp_path):
    out = tmp_path / "out"
    first = ["--model", "lenet", "--data", "digits", "--out", out]
    status, _, errors = run("keras_cnns", "search", *first, *words.split())
    assert status == 2
    assert message in errors
    assert "Traceback" not in errors
    assert not out.exists()


def test_the_same_words_take_a_search_up_and_others_do_not(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = {"model": "lenet", "data": "folder:x", "data_dir": "sets", "recipe": "plain"}
    job["training"] = recipes.Training()
    session = begin("s", job, Search(), {"momentum": "0.8,0.9"})
    session.write()
    named = {name: job[name] for name in ("model", "data", "data_dir", "recipe")}
    Session.open("s", named=named, tune=session.tune)
    with pytest.raises(UserError, match="begun with data_dir=.*/sets, not .*/others"):
        Session.open("s", named={"data_dir": "others"})
    words = ["search", "--resume", "--out", "s"]
    for tune in ("momentum=0.7,0.9", "epochs=1,2"):
        status, _, errors = run("keras_cnns", *words, "--tune", tune)
        assert status == 2 and f"begun with --tune {tune.partition('=')[0]}=" in errors
    (tmp_path / "c.yaml").write_text("epochs: 5\n")
    status, _, errors = run("keras_cnns", *words, "--config", "c.yaml")
    assert status == 2 and "begun with epochs=12, not 5" in errors


def test_a_folder_of_other_things_is_not_searched_in(run, tmp_path):
    (tmp_path / "mine.txt").touch()
    words = ["--model", "lenet", "--data", "digits", "--out", tmp_path]
    status, _, errors = run("keras_cnns", "search", *words)
    assert status == 2
    assert "mine.txt" in errors
    status, _, errors = run("keras_cnns", "search", "--resume", "--out", tmp_path)
    assert status == 2
    assert "no search" in errors


@pytest.mark.parametrize("command", ["search", "experiment"])
@pytest.mark.parametrize(
    "content", [b"", b"[", b"\xff\xfe", b"- a", b"model: lenet", b"training:", b"experiment: []"]
)
def test_a_damaged_start_is_told_as_such(command, content, run, tmp_path):
    (tmp_path / f"{command}.yaml").write_bytes(content)
    status, _, errors = run("keras_cnns", command, "--resume", "--out", tmp_path)
    assert status == 5, errors
    assert f"{command}.yaml is damaged" in errors and len(errors.splitlines()) == 1
    assert (tmp_path / f"{command}.yaml").read_bytes() == content


def test_images_that_changed_cost_no_trial(run, tmp_path, photos, alone):
    out = tmp_path / "s"
    session = make_session(out, data=f"folder:{photos}")
    session.config |= {"fingerprint": session.source.fingerprint}
    session.write()
    next(photos.rglob("*.png")).unlink()
    status, _, errors = run("keras_cnns", "search", "--resume", "--out", out)
    assert status == 2 and "its counts changed" in errors
    assert not Session.open(out).results.all()


@pytest.mark.parametrize("name", ["oracle/oracle.json", "trials/0001/result.json"])
def test_a_damaged_file_of_a_search_is_told_and_nothing_is_tried(name, run, tmp_path, alone):
    session = make_session(tmp_path / "s", trials=3, baseline="none", oracle="random")
    work.run(session, fake(session))
    session.config |= {"fingerprint": session.source.fingerprint}
    session.write()
    (session.out / name).write_text("{")
    before = sorted(path.name for path in (session.out / "trials").iterdir())
    status, _, errors = run(
        "keras_cnns", "search", "--resume", "--trials", "5", "--out", session.out
    )
    assert status == 5 and "damaged" in errors and "Traceback" not in errors
    assert sorted(path.name for path in (session.out / "trials").iterdir()) == before


def test_a_file_is_as_large_before_training_as_after():
    """Biases that are all 0 are held once: a limit of bytes would let pass what breaks it later."""
    session = SimpleNamespace(source=open_source("digits"))
    bench, size = measure.Bench(session), {}
    model = registry.build_for_pixels("lenet", 10, (32, 32, 1))
    before = [weight.numpy() for weight in model.weights]
    with measure.as_if_trained(model):
        size["judged"] = len(bench.convert(model))
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), values)
    size["drawn"] = len(bench.convert(model))
    for weight, values in zip(model.weights, before, strict=True):
        weight.assign(values + np.random.default_rng(1).normal(0, 0.01, values.shape))
    size["trained"] = len(bench.convert(model))
    assert size["judged"] == pytest.approx(size["trained"], rel=0.01) and (
        size["drawn"] < size["judged"]
    )


def test_what_is_no_setting_to_tune_is_refused_at_once(run, tmp_path):
    words = ["--model", "lenet", "--data", "digits", "--out", tmp_path / "s"]
    for name in ("widths", "seed", "image_size", "weights"):
        status, _, errors = run("keras_cnns", "search", *words, "--tune", f"{name}=1,2")
        assert status == 2 and f"--tune {name}: " in errors
