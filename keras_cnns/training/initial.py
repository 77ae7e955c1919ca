"""Weights to begin a training from: a run, a .keras file, or a checkpoint of another framework."""

from pathlib import Path

from keras_cnns import weights
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
            self.model = _ours(self.path, variant)
        if self.model is None:
            self.checkpoint = weights.read(self.path)

    @property
    def pixels(self):
        """(scale, offset) of the pixels that they were trained with; None, the variant's own."""
        if self.model is None:
            from keras_cnns import registry

            return weights.pixels(self.checkpoint, registry.build(self.variant.name))
        layer = self.model.get_layer("normalize")
        return layer.scale, layer.offset

    def fill(self, model):
        """Copy them into `model`.

        Returns:
            Names of the layers that tell other classes apart, and stay as they were drawn.

        Raises:
            WeightsError, UserError: they do not fit.
        """
        if self.model is None:
            return weights.copy(model, self.checkpoint, self.variant.renames)
        given = {layer.name: layer for layer in self.model.layers if layer.weights}
        heads, dropped = head_layers(model), []
        for layer in (layer for layer in model.layers if layer.weights):
            found = given.get(layer.name)
            shapes = [tuple(w.shape) for w in layer.weights]
            if found and shapes == [tuple(w.shape) for w in found.weights]:
                layer.set_weights(found.get_weights())
            elif layer.name in heads or (found is None and _is_auxiliary(layer, model)):
                dropped.append(layer.name)
            else:
                raise UserError(
                    f"{self.path} does not fit {model.name}: its {layer.name} is "
                    f"{[tuple(w.shape) for w in found.weights] if found else 'missing'}, "
                    f"{shapes} is wanted"
                )
        return dropped


def _ours(path, variant):
    """The model of a .keras file, if its layers are named as those of our networks."""
    from export.models import load_keras

    model = load_keras(path)
    return model if any(layer.name == "normalize" for layer in model.layers) else None


def _is_auxiliary(layer, model):
    """Whether a layer serves a head for training alone, which a kept model lacks."""
    import keras

    if len(model.outputs) == 1:
        return False
    served = keras.Model(model.inputs, model.outputs[0])
    return layer not in served.layers


def head_layers(model):
    """Names of the last layers with weights before each output: what tells classes apart."""
    found, waiting = set(), [output._keras_history.operation for output in model.outputs]
    while waiting:
        operation = waiting.pop()
        if getattr(operation, "weights", None):
            found.add(operation.name)
        else:
            inputs = [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]
            waiting += [tensor._keras_history.operation for tensor in inputs]
    return found
