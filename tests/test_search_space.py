"""What a search may choose: spaces, the networks they name, and steps between them."""

import random

import pytest

from keras_cnns import derived, registry
from keras_cnns.search import mutation
from keras_cnns.search.settings import Search
from keras_cnns.search.space import Dimension, Space
from keras_cnns.training import recipes
from pipelines.errors import UserError
from pipelines.settings import resolve

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
        ("lenet", {}, {"learning_rate": "0.1"}, "two different values"),
        ("lenet", {}, {"learning_rate": "0.1:0.01"}, "LOW:HIGH"),
        ("lenet", {}, {"augment": "none,digit"}, "digits"),
        ("lenet", {}, {"learning_rate": "0.1,1e-1,.1"}, "two different values"),
        ("lenet", {}, {"momentum": "0,1", "optimizer.momentum": "0:1"}, "are the same setting"),
        ("resnet20_cifar", {"flavours": ""}, None, "no flavour is named ''"),
        ("resnet20_cifar", {"depths": ""}, None, "--depths is whole numbers"),
        ("lenet", {"image_sizes": ""}, None, "--image-sizes is whole numbers"),
        ("lent", {}, None, "did you mean lenet"),
        ("vgg11_small", {"image_sizes": "16,32"}, None, "at least 32 x 32"),
    ],
)
def test_a_wrong_space_is_refused_in_a_sentence(model, search, tune, message):
    with pytest.raises((UserError, registry.BuildError), match=message):
        make_space(model, tune, **search)


def test_an_image_size_that_no_width_fits_is_refused_before_the_first_trial():
    with pytest.raises(registry.BuildError, match="at least 32 x 32"):
        make_space("vgg11_small", training=recipes.Training(image_size=16))


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
