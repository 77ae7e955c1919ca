"""Weights to begin a training from: a run, a .keras file, or a checkpoint of another framework."""

from pathlib import Path

from keras_cnns import weights
from keras_cnns.derived import base_of
from pipelines.errors import UserError


class Initial:
    """Weights that were read, for a network to be built.

    Args:
        path: a run's folder, a .keras file of ours or of keras.applications, or a torch
            checkpoint; see `weights.read`.
        variant: the `registry.Variant` that takes them.

    Raises:
        UserError: no such run.
        WeightsError, DamagedFile: no such file, or no weights of this network in it.
    """

    def __init__(self, path, variant):
        self.path, self.variant = Path(path), variant
        self.model = self.checkpoint = None
        if self.path.is_dir():
            from export import trained

            self.path = trained.find(self.path, suffixes=(".keras",)).path
        if self.path.suffix == ".keras" and self.path.is_file():
            self.model = _ours(self.path)
        if self.model is None:
            self.checkpoint = weights.read(self.path)

    @property
    def pixels(self):
        """(scale, offset) of the pixels that they were trained with; None, the variant's own."""
        if self.model is None:
            return weights.pixels(self.checkpoint, base_of(self.variant.name))
        layer = self.model.get_layer("normalize")
        return layer.scale, layer.offset

    def fill(self, model):
        """Copy them into `model`.

        Returns:
            Names of the layers that stay as they were drawn: a head for other classes, and the
            auxiliary heads where the file has none.

        Raises:
            WeightsError, UserError: a layer is left over on either side, or has another shape.
        """
        if self.model is None:
            return weights.copy(model, self.checkpoint, self.variant.renames)
        given, wanted = _with_weights(self.model), _with_weights(model)
        spared = weights.head_layers(model) if _classes(self.model) != _classes(model) else set()
        other = [n for n in wanted if n in given and _shapes(wanted[n]) != _shapes(given[n])]
        missing = [name for name in wanted if name not in given]
        if faults := [
            *_listed("it lacks", missing, _auxiliary(model)),
            *_listed("there is no place for its", given, wanted),
            *_listed("of other shapes are its", other, spared),
        ]:
            raise UserError(
                f"{self.path}, a {self.model.name}, does not fit {model.name}: {'; '.join(faults)}"
            )
        dropped = [*other, *missing]
        for name in wanted.keys() - dropped:
            wanted[name].set_weights(given[name].get_weights())
        return dropped

    def told(self, model, dropped):
        """What the user should know of `fill`, as sentences."""
        if self.model and base_of(self.model.name) != base_of(model.name):
            yield f"{self.path} is a {self.model.name}; its weights fit {model.name}"
        if dropped:
            yield f"drawn anew, since {self.path} has none that fit: {', '.join(dropped)}"


def _ours(path):
    """The model of a .keras file, if it takes pixels as those of our trainings do."""
    from export.models import load_keras

    model = load_keras(path)
    return model if any(layer.name == "normalize" for layer in model.layers) else None


def _listed(fault, names, spared):
    """The fault of those names that are not spared, if there are any."""
    names = [name for name in names if name not in spared]
    return [f"{fault} {weights.few(names)}"] if names else []


def _with_weights(model):
    return {layer.name: layer for layer in model.layers if layer.weights}


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


def _classes(model):
    return model.outputs[0].shape[-1]


def _auxiliary(model):
    """Names of the layers that serve heads for training alone, which a kept model lacks."""
    import keras

    if len(model.outputs) == 1:
        return set()
    served = keras.Model(model.inputs, model.outputs[0])
    return _with_weights(model).keys() - {layer.name for layer in served.layers}
