"""The search: selection against cases worked by hand, limits, failures, and what it leaves."""

import itertools
import json
import math
import random
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest
import yaml

from keras_cnns import derived, registry
from keras_cnns.found import widths as widths_in
from keras_cnns.search import arena, front, mutation, objectives, oracles, pareto, work
from keras_cnns.search.oracles import AgingEvolutionOracle, NonDominatedOracle
from keras_cnns.search.results import DONE, FAILED, HALTED, REFUSED, refusals
from keras_cnns.search.session import Session, begin
from keras_cnns.search.settings import ORACLES, Search
from keras_cnns.search.space import Dimension, Space
from keras_cnns.search.standing import summary
from keras_cnns.search.trial import rungs
from keras_cnns.training import recipes
from pipelines.errors import UserError
from pipelines.settings import resolve

# The front by hand: (1, 5) and (2, 3) and (4, 1) beat all others; (3, 3) and (2, 6) stand behind
# them; (5, 5) behind (3, 3).
POINTS = [(1, 5), (3, 3), (2, 3), (5, 5), (4, 1), (2, 6)]


# Sorting, crowding, volume


def test_fronts_are_those_worked_out_by_hand():
    assert pareto.fronts(POINTS) == [[0, 2, 4], [1, 5], [3]]
    assert pareto.fronts([(1, 1), (1, 1), (2, 2)]) == [[0, 1], [2]]
    assert pareto.fronts([]) == []
    assert pareto.fronts([(3,), (1,), (2,)]) == [[1], [2], [0]]


def test_fronts_are_what_their_definition_says():
    chance = random.Random(0)
    for axes in (2, 3, 4):
        points = [tuple(chance.randrange(6) for _ in range(axes)) for _ in range(40)]
        left = set(range(len(points)))
        for found in pareto.fronts(points):
            unbeaten = {
                i for i in left if not any(pareto.dominates(points[j], points[i]) for j in left)
            }
            assert set(found) == unbeaten
            left -= unbeaten
        assert not left


def test_crowding_is_that_worked_out_by_hand():
    # Between (1, 5) and (4, 1): (4 - 1) / 3 across, (5 - 1) / 4 up.
    assert pareto.crowding([(1, 5), (2, 3), (4, 1)]) == [math.inf, 2.0, math.inf]
    found = pareto.crowding([(0, 10), (1, 6), (2, 5), (10, 0)])
    assert found == [math.inf, pytest.approx(0.2 + 0.5), pytest.approx(0.9 + 0.6), math.inf]
    assert pareto.crowding([(1, 1), (1, 1)]) == [math.inf, math.inf]
    assert pareto.crowding([]) == []


def test_rank_goes_by_front_then_by_loneliness():
    points = [(0, 10), (1, 6), (2, 5), (10, 0), (3, 7)]
    assert pareto.ranked(points) == [0, 3, 2, 1, 4]


@pytest.mark.parametrize(
    "points, reference, volume",
    [
        ([(1, 1)], (3, 4), 6),
        ([(1, 3), (2, 1)], (4, 4), 3 * 1 + 2 * 3 - 2 * 1),
        ([(1, 3), (2, 1), (3, 3), (2, 1)], (4, 4), 7),
        ([(5, 5)], (4, 4), 0),
        ([(1, 4)], (4, 4), 0),
        ([], (4, 4), 0),
        ([(0, 0, 0)], (1, 2, 3), 6),
        ([(0, 1, 1), (1, 0, 1), (1, 1, 0)], (2, 2, 2), 4),
        ([(2,), (1,)], (5,), 4),
    ],
)
def test_hypervolume_has_its_closed_form(points, reference, volume):
    assert pareto.hypervolume(points, reference) == pytest.approx(volume)


def test_hypervolume_is_the_count_of_cells():
    chance = random.Random(1)
    for axes in (2, 3):
        points = [tuple(chance.randrange(7) for _ in range(axes)) for _ in range(9)]
        cells = itertools.product(range(6), repeat=axes)
        inside = sum(
            any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points)
            for cell in cells
        )
        assert pareto.hypervolume(points, (6,) * axes) == inside


# Names of networks that differ from a registered one


def test_a_derived_network_is_built_by_the_builder_of_its_family():
    plain = registry.build("resnet20_cifar")
    deeper = registry.build("resnet20_cifar+depths=1,2,4", widths=(0.5, 1, 1))
    assert sum(layer.name.endswith("_relu_add") for layer in deeper.layers) == 7
    assert deeper.get_layer("layer1_0_conv1").filters == 8
    assert deeper.name == plain.name == "resnet20_cifar"
    same = registry.build("resnet20_cifar+depths=3,3,3+flavour=original")
    assert [w.shape for w in same.weights] == [w.shape for w in plain.weights]


def test_a_derived_cell_network_is_that_of_its_tables():
    normal = registry.find("amoebanet_d").spec["cells"][0]
    assert derived.read_cell(derived.written(normal)) == normal
    text = derived.written(normal)
    found = registry.find(f"nasnet_a_mobile+normal={text}+repeat=1")
    assert found.spec["cells"][0] == normal
    assert found.spec["cells"][1] == registry.find("nasnet_a_mobile").spec["cells"][1]
    assert found.spec["repeat"] == 1


@pytest.mark.parametrize(
    "name, message",
    [
        ("resnet20_cifr+depths=1,1,1", "did you mean resnet20_cifar"),
        ("resnet20_cifar+depth=1,1,1", "did you mean depths"),
        ("resnet20_cifar+depths=1,1", "has 3 depths"),
        ("resnet20_cifar+depths=1,1,0", "whole number of 1"),
        ("resnet20_cifar+depths=1,1,x", "whole number of 1"),
        ("resnet20_cifar+flavour=orginal", "did you mean original"),
        ("lenet+depths=1", "no depths"),
        ("lenet+flavour=original", "no flavour"),
        ("nasnet_a_mobile+normal=sep3x4.0-none.1~2", "did you mean sep3x3"),
        ("nasnet_a_mobile+normal=sep3x3.2-none.1~2", "sees states 0 to 1"),
        ("nasnet_a_mobile+normal=sep3x3.0-none.1~9", "gives states"),
        ("nasnet_a_mobile+normal=sep3x3.0~2", "two sides"),
    ],
)
def test_a_network_that_cannot_be_derived_is_refused_in_a_sentence(name, message):
    with pytest.raises(registry.BuildError, match=message):
        registry.find(name)


# The space


def make_space(model="lenet", tune=None, training=None, **search):
    return Space(model, training or recipes.Training(), resolve(Search(), search), tune)


def test_values_become_the_network_and_settings_that_they_say():
    space = make_space(
        "resnet20_cifar", {"learning_rate": "0.001:0.1", "augment": "none,digits"},
        multipliers="0.5:1:0.25", depths="1:3", image_sizes="24,32", flavours="all",
    )  # fmt: skip
    assert space.multipliers == ("0.5", "0.75", "1")
    values = {"width_0": "0.5", "width_1": "1", "width_2": "0.75", "image_size": "24"}
    values |= {"depth_0": "1", "depth_1": "2", "depth_2": "3", "flavour": "original"}
    values |= {"tune.learning_rate": 0.0123456789, "tune.augment": "digits"}
    assert set(values) == set(space.dimensions)
    found = space.candidate(values)
    assert found.model == "resnet20_cifar+depths=1,2,3+flavour=original"
    assert found.training.widths == (0.5, 1.0, 0.75)
    assert found.training.image_size == 24
    assert found.training.optimizer.learning_rate == 0.0123457
    assert found.training.augment == "digits"
    assert make_space(multipliers="1").candidate(dict.fromkeys(make_space().dimensions, "1"))


def test_random_cells_build_and_give_what_no_sum_sees():
    space = make_space("nasnet_a_mobile", cells=True, multipliers="0.25", depths="1")
    chance = random.Random(3)
    for _ in range(3):
        values = {name: chance.choice(d.values) for name, d in space.dimensions.items()}
        name = space.candidate(values).model
        normal = registry.find(name).spec["cells"][0]
        seen = {state for sides in normal.sums for _, state in sides}
        assert set(normal.output) == {2, 3, 4, 5, 6} - seen
    model = registry.build(name, classes=3, input_shape=(32, 32, 3), widths=[0.25] * 4)
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize("model", registry.names())
def test_every_registered_network_can_be_searched(model):
    space = make_space(model)
    assert len(space.dimensions) == registry.find(model).stages
    assert space.candidate(space.uniform("0.5")).model == model


def test_uniform_values_leave_the_network_as_it_is():
    space = make_space("resnet20_cifar", depths="1:3", multipliers="0.5,1")
    found = space.candidate(space.uniform("0.5"))
    assert found.model == "resnet20_cifar"
    assert found.training.widths == (0.5,) * 3


@pytest.mark.parametrize(
    "model, search, tune, message",
    [
        ("lenet", {"multipliers": "0,1"}, None, "above 0"),
        ("lenet", {"multipliers": "1:0.5"}, None, "LOW:HIGH"),
        ("lenet", {"multipliers": "half"}, None, "--multipliers"),
        ("lenet", {"multipliers": "nan"}, None, "above 0"),
        ("lenet", {"depths": "1:2"}, None, "leave out --depths"),
        ("resnet20_cifar", {"depths": "1.5"}, None, "whole numbers"),
        ("lenet", {"flavours": "all"}, None, "leave out --flavours"),
        ("resnet20_cifar", {"flavours": "orginal"}, None, "did you mean original"),
        ("lenet", {"cells": True}, None, "leave out --cells"),
        ("lenet", {}, {"learning_rat": "1,2"}, "did you mean"),
        ("lenet", {}, {"learning_rate": "0.1"}, "two values"),
        ("lenet", {}, {"learning_rate": "0.1:0.01"}, "LOW:HIGH"),
        ("lenet", {}, {"augment": "none,digit"}, "digits"),
        ("lent", {}, None, "did you mean lenet"),
    ],
)
def test_a_wrong_space_is_refused_in_a_sentence(model, search, tune, message):
    with pytest.raises((UserError, registry.BuildError), match=message):
        make_space(model, tune, **search)


def test_a_search_trains_from_scratch():
    with pytest.raises(UserError, match="--multipliers"):
        make_space(training=recipes.Training(widths=(1, 1, 1, 1)))


# Chance, drawn and applied


def test_a_step_changes_one_dimension_to_another_value():
    dimensions = {
        "a": Dimension("a", ("1", "2", "3", "4"), True),
        "b": Dimension("b", ("x", "y")),
        "c": Dimension("c", ("only",)),
        "d": Dimension("d", low=0.001, high=0.1),
    }
    values = {"a": "1", "b": "x", "c": "only", "d": 0.01}
    seen = set()
    for seed in range(300):
        drawn = mutation.draw_step(random.Random(seed), dimensions, values)
        after = mutation.step(values, drawn)
        changed = [name for name in values if after[name] != values[name]]
        assert changed == [drawn[0]]
        assert 0.001 <= after["d"] <= 0.1
        seen.add(drawn[0] if drawn[0] == "d" else drawn)
    assert seen == {("a", "2"), ("a", "3"), ("a", "4"), ("b", "y"), "d"}
    assert mutation.draw_step(random.Random(0), {"c": dimensions["c"]}, values) is None


def test_half_of_the_steps_of_an_ordered_value_go_to_a_neighbour():
    dimensions = {"a": Dimension("a", tuple("12345"), True)}
    drawn = [mutation.draw_step(random.Random(i), dimensions, {"a": "1"})[1] for i in range(2000)]
    assert drawn.count("2") / 2000 == pytest.approx(0.5 + 0.5 / 4, abs=0.05)


def test_a_mixture_takes_each_value_from_one_parent():
    drawn = mutation.draw_mix(random.Random(0), list("abcdef"))
    child = mutation.mix(dict.fromkeys("abcdef", 1), dict.fromkeys("abcdef", 2), drawn)
    assert child == {name: 1 if mine else 2 for name, mine in drawn.items()}
    assert set(child.values()) == {1, 2}


# Oracles


def hyperparameters():
    space = keras_tuner.HyperParameters()
    for i in range(3):
        space.Choice(f"width_{i}", ["0.25", "0.5", "0.75", "1"])
    return space


def tell(oracle, values, status="COMPLETED", tuner="t"):
    """Let an oracle hear of a trial with these numbers."""
    trial = oracle.create_trial(tuner)
    trial.status = status
    if status == "COMPLETED":
        oracle.update_trial(trial.trial_id, values)
    oracle.end_trial(trial)
    return trial.trial_id


def ready(oracle, tmp_path, count=100, objectives_="accuracy,latency", **plan):
    oracle = oracle.plan(objectives.parse(objectives_), count, **plan)
    oracle._set_project_dir(str(tmp_path), "oracle")
    return oracle


BOTH = [keras_tuner.Objective("accuracy", "max"), keras_tuner.Objective("latency", "min")]


def evolution(tmp_path, **options):
    kind = oracles.guarded(AgingEvolutionOracle)
    options = {"population_size": 3, "sample_size": 2, "seed": 7} | options
    return ready(kind(BOTH[0], hyperparameters=hyperparameters(), **options), tmp_path)


def test_the_oldest_die_not_the_worst(tmp_path):
    oracle = evolution(tmp_path)
    for accuracy in (0.9, 0.1, 0.2, 0.3):
        tell(oracle, {"accuracy": accuracy})
    # The best of all is gone, for it was first.
    assert oracle.population() == ["0001", "0002", "0003"]
    tell(oracle, {}, status="FAILED")
    assert oracle.population() == ["0001", "0002", "0003"]


def test_the_parent_is_the_best_of_the_sample_and_the_child_one_step_away(tmp_path):
    oracle = evolution(tmp_path)
    for accuracy in (0.1, 0.5, 0.3):
        tell(oracle, {"accuracy": accuracy})
    population = oracle.population()
    assert oracle.fittest(["0000", "0002"], population) == "0002"
    assert oracle.fittest(["0000", "0001", "0002"], population) == "0001"
    trial = oracle.create_trial("t")
    sample = oracle.draw_sample(oracle.chance(trial.trial_id), population)
    parent = oracle.values(oracle.fittest(sample, population))
    child = oracle.values(trial.trial_id)
    assert sum(parent[name] != child[name] for name in child) == 1


def test_the_sample_is_drawn_with_replacement(tmp_path):
    oracle = evolution(tmp_path, sample_size=50)
    sample = oracle.draw_sample(random.Random(0), ["a", "b", "c"])
    assert len(sample) == 50
    assert set(sample) == {"a", "b", "c"}


def test_fitness_of_two_objectives_is_the_crowded_order(tmp_path):
    oracle = evolution(tmp_path, objectives=BOTH, population_size=5)
    for accuracy, latency in ((0.9, 1.0), (0.5, 0.2), (0.4, 0.9), (0.8, 0.5), (0.7, 0.45)):
        tell(oracle, {"accuracy": accuracy, "latency": latency})
    places = oracle.fitness(oracle.population())
    # 2 is beaten; the two ends come first, then 3 (box 0.4/0.4... wider) before 4.
    assert sorted(places, key=places.get)[-1] == "0002"
    assert {i for i, place in places.items() if place < 2} == {"0000", "0001"}


def test_the_front_breeds_and_begins_with_the_corners(tmp_path):
    kind = oracles.guarded(NonDominatedOracle)
    oracle = ready(
        kind(
            BOTH[0], objectives=BOTH, hyperparameters=hyperparameters(), population_size=4, seed=1
        ),
        tmp_path,
    )
    ids = [tell(oracle, {"accuracy": a, "latency": b}) for a, b in ((0.2, 0.1), (0.9, 1.0))]
    widths = [set(oracle.values(i).values()) for i in ids]
    assert widths == [{"0.25"}, {"1"}]
    for accuracy, latency in ((0.6, 0.4), (0.5, 0.6), (0.85, 0.7), (0.1, 0.9)):
        tell(oracle, {"accuracy": accuracy, "latency": latency})
    # By hand: 0, 1, 2, 4 beat the others; inside, (0.6, 0.4) has the box 0.65/0.7 + 0.6/0.9 and
    # (0.85, 0.7) the box 0.3/0.7 + 0.6/0.9.
    assert oracle.population() == ["0000", "0001", "0002", "0004"]
    parents = oracle.draw_parents(random.Random(0), oracle.population())
    assert len(parents) == 2
    chance = random.Random(5)
    places = [chance.randrange(4) for _ in range(4)]
    winners = [oracle.population()[min(places[:2])], oracle.population()[min(places[2:])]]
    assert oracle.draw_parents(random.Random(5), oracle.population()) == winners


def test_the_oracles_are_ordinary_ones_of_keras_tuner(tmp_path):
    class Toy(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, **_):
            return {"fit": sum(float(v) for v in trial.hyperparameters.values.values())}

    oracle = AgingEvolutionOracle(
        keras_tuner.Objective("fit", "max"), max_trials=30, seed=3, population_size=6,
        sample_size=3, hyperparameters=hyperparameters(),
    )  # fmt: skip
    oracle.verbose = 0
    tuner = Toy(oracle, directory=str(tmp_path), project_name="toy")
    tuner.search(verbose=0)
    assert len(oracle.trials) == 30
    # Of 64 networks the best has 3; 30 random ones find 2.75 on the average of many seeds.
    assert oracle.get_best_trials(1)[0].score >= 2.75


def test_a_failed_or_refused_trial_is_never_best_and_only_refused_ones_are_free(tmp_path):
    oracle = ready(
        oracles.guarded(keras_tuner.oracles.RandomSearchOracle)(
            BOTH[0], hyperparameters=hyperparameters(), seed=1
        ),
        tmp_path,
        count=3,
    )
    for _ in range(4):
        trial = oracle.create_trial("t")
        oracle.update_trial(trial.trial_id, {"refused": 1.0})
        trial.status = "FAILED"
        oracle.end_trial(trial)
    tell(oracle, {}, status="FAILED")
    best = tell(oracle, {"accuracy": 0.5})
    tell(oracle, {}, status="FAILED")
    assert oracle.create_trial("t").status == "STOPPED"
    assert len(oracle.trials) == 7
    assert [t.trial_id for t in oracle.get_best_trials(1)] == [best]


def test_a_search_gives_up_when_all_fail_or_all_are_refused(tmp_path):
    def oracle(name, count):
        kind = oracles.guarded(keras_tuner.oracles.RandomSearchOracle)
        space = keras_tuner.HyperParameters()
        space.Float("rate", 0.1, 1.0)
        return ready(kind(BOTH[0], hyperparameters=space, seed=1), tmp_path / name, count=count)

    failing = oracle("failing", 100)
    for _ in range(8):
        tell(failing, {}, status="FAILED")
    assert failing.create_trial("t").status == "STOPPED"
    assert "failed" in failing.exhausted
    refusing = oracle("refusing", 1)
    for _ in range(20):
        trial = refusing.create_trial("t")
        assert trial.status == "RUNNING"
        refusing.update_trial(trial.trial_id, {"refused": 1.0})
        trial.status = "FAILED"
        refusing.end_trial(trial)
    assert refusing.create_trial("t").status == "STOPPED"


def test_rungs_are_shares_of_the_epochs():
    assert rungs(27, 3) == [1, 3, 9]
    assert rungs(12, 3) == [1, 4]
    assert rungs(2, 3) == []
    assert rungs(16, 4) == [1, 4]


def test_one_in_n_goes_on_from_a_rung(tmp_path):
    oracle = evolution(tmp_path)
    oracle.keep = 3
    answers = []
    for i, error in enumerate((0.5, 0.4, 0.6, 0.3, 0.45, 0.55, 0.2)):
        trial = oracle.create_trial(f"t{i}")
        told = oracle.update_trial(trial.trial_id, {"rung": 1.0, "error": error}, step=2)
        answers.append(told.status)
    # Better ones so far: 0, 0, 2, 0, 2, 4, 0, of 1/3, 2/3, 1, 4/3, 5/3, 2, 7/3.
    on, off = "RUNNING", "STOPPED"
    assert answers == [on, on, off, on, off, off, on]


def test_a_rung_spares_what_is_cheaper(tmp_path):
    oracle = evolution(tmp_path)
    oracle.keep = 3
    for i, (error, macs) in enumerate(((0.1, 100), (0.2, 50), (0.5, 1), (0.4, 10))):
        trial = oracle.create_trial(f"t{i}")
        numbers = {"rung": 1.0, "error": error, "macs": macs}
        assert oracle.update_trial(trial.trial_id, numbers, step=1).status == "RUNNING"
    trial = oracle.create_trial("last")
    numbers = {"rung": 1.0, "error": 0.6, "macs": 100}
    assert oracle.update_trial(trial.trial_id, numbers, step=1).status == "STOPPED"


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
    assert front.standard_error(session, front_, "accuracy") == pytest.approx(0.03)
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


def test_a_second_end_of_a_trial_changes_nothing(tmp_path):
    oracle = evolution(tmp_path)
    trial = oracle.create_trial("t")
    oracle.update_trial(trial.trial_id, {"accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    oracle.end_trial(trial)
    assert oracle.completed() == oracle.end_order == [trial.trial_id]


def test_files_are_written_whole(tmp_path, monkeypatch):
    oracle = evolution(tmp_path)
    tell(oracle, {"accuracy": 0.5})
    before = (tmp_path / "oracle" / "oracle.json").read_text()
    from pipelines import files

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        oracle.save()
    assert (tmp_path / "oracle" / "oracle.json").read_text() == before


# Memory of the tensors


@pytest.mark.parametrize(
    "lives, bytes_",
    [
        ([(64, 0, 1), (128, 1, 2), (64, 2, 3)], 192),
        ([(64, 0, 0), (64, 1, 1)], 64),
        ([(128, 0, 3), (64, 0, 1), (64, 2, 3)], 192),
        ([(64, 0, 2), (64, 1, 3), (64, 2, 4)], 192),
        ([], 0),
    ],
)
def test_the_arena_is_planned_as_by_hand(lives, bytes_):
    assert arena.planned(lives) == bytes_


def test_the_arena_of_a_file_lies_between_its_largest_step_and_all_of_it(bundled):
    content = (bundled / "model_uint8.tflite").read_bytes()
    lives = arena.lifetimes(content)
    steps = range(max(last for *_, last in lives) + 1)
    least = max(sum(size for size, a, b in lives if a <= step <= b) for step in steps)
    assert least <= arena.peak(content) < sum(size for size, *_ in lives)


def test_a_file_is_measured_beside_the_reference(bundled, tmp_path, alone):
    from keras_cnns.search.measure import Bench, of_file

    content = (bundled / "model_uint8.tflite").read_bytes()
    session = make_session(tmp_path / "s", rounds=3)
    (tmp_path / "s" / "reference.tflite").write_bytes(content)
    found = Bench(session).latency(content)
    assert found.keys() == {"latency", "latency_ms", "reference_ms"}
    assert all(0 < value < math.inf for value in found.values())
    assert of_file(content)["bytes"] == len(content)


def test_a_full_disk_ends_the_search_and_another_fault_only_the_trial(tmp_path, alone, monkeypatch):
    from keras_cnns.search.trial import Evaluator

    evaluator = Evaluator(make_session(tmp_path / "s"))

    def raises(error):
        def evaluate(*_):
            raise error

        monkeypatch.setattr(evaluator, "_evaluate", evaluate)

    raises(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
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


def test_a_folder_of_other_things_is_not_searched_in(run, tmp_path):
    (tmp_path / "mine.txt").touch()
    words = ["--model", "lenet", "--data", "digits", "--out", tmp_path]
    status, _, errors = run("keras_cnns", "search", *words)
    assert status == 2
    assert "mine.txt" in errors
    status, _, errors = run("keras_cnns", "search", "--resume", "--out", tmp_path)
    assert status == 2
    assert "no search" in errors
