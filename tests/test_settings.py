"""Knobs: flags, checks and near misses from one dataclass."""

import argparse
import dataclasses

import pytest

from export.limits import Limits
from keras_cnns.recipes import RECIPES, Training
from pipelines import settings
from pipelines.errors import UserError

every_class = pytest.mark.parametrize("knobs", [Training, Limits])


@every_class
def test_every_field_is_a_flag_with_help(knobs):
    parser = argparse.ArgumentParser()
    settings.add_flags(parser, knobs)
    for field in dataclasses.fields(knobs):
        flag = "--" + field.name.replace("_", "-")
        args = parser.parse_args([flag, "7"])
        assert settings.given(args, knobs) == {field.name: "7"}
        assert field.metadata["help"]
    assert settings.given(parser.parse_args([]), knobs) == {}


@every_class
def test_defaults_pass_their_own_check(knobs):
    assert settings.resolve(knobs(), dataclasses.asdict(knobs())) == knobs()


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_pass_the_check_too(name):
    assert settings.resolve(Training(), dataclasses.asdict(RECIPES[name])) == RECIPES[name]


def test_text_becomes_what_the_field_is():
    changed = settings.resolve(Training(), {"learning-rate": "1e-2", "epochs": "3"})
    assert (changed.learning_rate, changed.epochs) == (0.01, 3)
    assert settings.resolve(Training(image_size=9), {"image_size": "none"}).image_size is None


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epoch": "3"}, "did you mean epochs"),
        ({"epochs": "three"}, "epochs is a whole number, not 'three'"),
        ({"epochs": "0"}, "epochs is at least 1, not 0"),
        ({"momentum": "2"}, "at least 0 and at most 1, not 2.0"),
        ({"learning_rate": "nan"}, "learning_rate is at least"),
        ({"optimizer": "adm"}, "did you mean adam"),
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
