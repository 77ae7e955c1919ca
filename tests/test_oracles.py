"""How the next trial is chosen: evolution, the front, rungs, and trials that failed."""

import random

import keras_tuner
import pytest

from keras_cnns.search import objectives, oracles
from keras_cnns.search.oracles import AgingEvolutionOracle, NonDominatedOracle
from keras_cnns.search.trial import rungs


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


@pytest.mark.parametrize("kind", [AgingEvolutionOracle, NonDominatedOracle])
def test_a_first_population_has_the_corners_where_a_front_has_ends(kind, tmp_path):
    options = {"hyperparameters": hyperparameters(), "population_size": 3, "seed": 1}
    if kind is AgingEvolutionOracle:
        options["sample_size"] = 2
    for count, corners in ((2, True), (1, False)):
        oracle = oracles.guarded(kind)(BOTH[0], objectives=BOTH[:count], **options)
        names = ",".join(o.name for o in BOTH[:count])
        oracle = ready(oracle, tmp_path / names, objectives_=names)
        ids = [tell(oracle, {"accuracy": 0.5, "latency": 0.5}) for _ in range(2)]
        found = [set(oracle.values(i).values()) for i in ids]
        assert (found == [{"0.25"}, {"1"}]) == corners


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
