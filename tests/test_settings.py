"""Knobs: flags, checks and near misses from one dataclass."""

import argparse
import math

import keras
import pytest
import yaml

from export.limits import Limits
from keras_cnns.training.optimization import Rate, peak_rate
from keras_cnns.training.recipes import RECIPES, Training
from pipelines import settings
from pipelines.errors import UserError

every_class = pytest.mark.parametrize("knobs", [Training, Limits])


@every_class
def test_every_knob_outside_groups_is_a_flag_with_help_and_the_others_are_listed(knobs):
    parser = argparse.ArgumentParser()
    settings.add_flags(parser, knobs)
    for name, knob in settings.knobs(knobs).items():
        assert knob.field.metadata["help"]
        if "." in name:
            assert f"{name}=" in parser.epilog
            continue
        args = parser.parse_args(["--" + name.replace("_", "-"), "7"])
        assert settings.given(args, knobs) == {name: "7"}
    assert settings.given(parser.parse_args([]), knobs) == {}


@every_class
def test_defaults_pass_their_own_check(knobs):
    assert settings.resolve(knobs(), settings.plain(knobs())) == knobs()


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_pass_the_check_and_are_read_back_from_yaml(name):
    written = yaml.safe_dump(settings.plain(RECIPES[name]), sort_keys=False)
    assert settings.resolve(Training(), yaml.safe_load(written)) == RECIPES[name]


def test_text_becomes_what_the_field_is():
    changed = settings.resolve(Training(), {"learning-rate": "1e-2", "epochs": "3"})
    assert (changed.optimizer.learning_rate, changed.epochs) == (0.01, 3)
    assert settings.resolve(Training(image_size=9), {"image_size": "none"}).image_size is None
    changed = settings.resolve(Training(), {"widths": "1,0.5", "optimizer.nesterov": "yes"})
    assert (changed.widths, changed.optimizer.nesterov) == ((1.0, 0.5), True)
    assert settings.resolve(Training(), {"schedule.milestones": [0.3]}).schedule.milestones == (
        0.3,
    )


ODD = ("nan", "inf", "-inf", "-1", "0", "0.5", "1e308", "1e-320", "9" * 30, "", ",", "0.1,0.2", "x")


@pytest.mark.parametrize("name", settings.knobs(Training))
def test_whatever_a_knob_is_set_to_is_refused_in_words_or_makes_finite_rates(name):
    for value in (*ODD, None, [], {}, True, 10**400):
        for schedule in ("steps", "cosine", "exponential", "plateau"):
            try:
                training = settings.resolve(Training(), {"schedule.name": schedule, name: value})
            except UserError:
                continue
            steps = 7 * training.epochs
            rate = Rate(training.schedule, peak_rate(training), steps, 7, keras.Variable(1.0))
            assert all(math.isfinite(rate(step)) for step in (0, 9))


def test_lengths_are_held_against_each_other_once_all_is_set():
    changes = {"schedule.name": "steps", "factors": "0.3", "milestones": "0.2"}
    for order in (changes, dict(reversed(changes.items()))):
        assert settings.resolve(Training(), order).schedule.factors == (0.3,)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epoch": "3"}, "did you mean epochs"),
        ({"epochs": "three"}, "epochs is a whole number, not 'three'"),
        ({"epochs": "0"}, "epochs is at least 1 and at most 1000000, not 0"),
        ({"momentum": "2"}, "at least 0 and at most 1, not 2.0"),
        ({"learning_rate": "nan"}, "learning_rate is a finite number, not nan"),
        ({"learning_rate": "inf"}, "learning_rate is a finite number, not inf"),
        ({"learning_rate": 10**400}, "learning_rate is a number"),
        ({"learning_rate": "1e31"}, "at most"),
        ({"warmup_epochs": "inf"}, "warmup_epochs is a finite number"),
        ({"factors": "0.1,inf"}, "factors is a finite number"),
        ({"epochs": "9" * 30}, "epochs is at least 1 and at most"),
        ({"mixup": "1e-320"}, "are 0 or at least 1e-09"),
        ({"schedule.name": "steps", "factors": "0.1"}, "which are 2, not 1"),
        ({"schedule.name": "steps", "factors": [1, 1, 1]}, "which are 2, not 3"),
        ({"factors": [1], "milestones": [], "schedule.name": "steps"}, "which are 0, not 1"),
        ({"optimizer.name": "adm"}, "did you mean adam"),
        ({"optimizer.learning_rat": "1"}, "did you mean optimizer.learning_rate"),
        ({"optimiser.learning_rate": "1"}, "did you mean optimizer.learning_rate"),
        ({"learning_rat": "1"}, "optimizer.learning_rate"),
        ({"optimizer": {"momentun": 1}}, "did you mean optimizer.momentum"),
        ({"every_steps": "1"}, "checkpoint.every_steps or tensorboard.every_steps"),
        ({"nesterov": "perhaps"}, "yes or no"),
        ({"widths": "1,a"}, "a number"),
        ({"epochs": True}, "whole number"),
        ({"epochs": None}, "epochs needs a value"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(changes, message):
    with pytest.raises(UserError, match=message):
        settings.resolve(Training(), changes)


def test_a_word_without_equals_is_refused():
    assert settings.key_values(["a=b=c"]) == {"a": "b=c"}
    with pytest.raises(UserError, match="key=value"):
        settings.key_values(["epochs"])


def test_a_setting_that_is_said_twice_in_different_ways_is_refused():
    for pairs, flag, message in (
        (["epochs=1", "epochs=2"], None, "epochs is given twice, as 1 and 2"),
        (["epochs=1"], "2", "epochs is given twice, as 2 and 1"),
        (["momentum=0.5", "optimizer.momentum=0.6"], None, "are the same setting"),
    ):
        args = argparse.Namespace(settings=pairs, epochs=flag)
        with pytest.raises(UserError, match=message):
            settings.resolve(Training(), settings.asked(args, Training))
    args = argparse.Namespace(settings=["epochs=1", "epochs=1"], epochs="1")
    assert settings.resolve(Training(), settings.asked(args, Training)).epochs == 1
