"""A bundle in the making: what its parts read, each thing computed once, and the card they fill."""

import hashlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from export import calibration, doctor, metadata, models, refusal, tflite, verify
from export.freeze import Frozen
from pipelines import dataset


@dataclass
class Making:
    """A bundle in the making: what its parts read, and the card that they fill."""

    folder: Path  # where the parts write
    temporary: Path  # an empty folder, deleted at the end
    model: object  # keras.Model in float32, from pixels to logits or probabilities
    labels: tuple[str, ...]
    source: object  # pipelines.sources.Source
    names: list[str]  # formats to make, keys of tflite.FORMATS
    limits: object  # limits.Limits
    options: object  # limits.Options
    prefer: str | None = None  # keep what passes and choose by "size" or "latency"; None, all
    card: dict = field(default_factory=dict)  # what model.json will hold; parts add to it
    unmade: dict = field(default_factory=dict)  # {format: why there is no file of it}
    report: dict | None = None  # what verify.json holds, once it is there
    model_file: Path | None = None  # where the model lay; beside it, perhaps, its run

    def __post_init__(self):
        self.conversion = cache(self._conversion)

    @property
    def image_shape(self):
        """(height, width, channels) of the Keras model."""
        return tuple(self.model.input_shape[1:])

    @cached_property
    def frozen(self):
        """The model as one graph of constants."""
        return Frozen(self.model)

    def _conversion(self, channels):
        """The `tflite.Conversion` to files that take images of so many channels."""
        folder = self.temporary / f"{channels}_channels"
        return tflite.conversion(
            self.frozen, folder, lambda: models.in_channels(self.calibration, channels), channels
        )

    @property
    def calibration_images(self):
        """How many training images calibrate."""
        return self.options.calibration_images or calibration.usual(len(self.source.classes))

    @cached_property
    def calibration(self):
        """Training images of every class, uint8 (n, height, width, channels)."""
        return calibration.images(self.source, self.image_shape, self.calibration_images)

    @cached_property
    def held_out(self):
        """Images that training never saw, a `pipelines.sources.Split`."""
        return held_out(self.source, self.limits)

    @cached_property
    def held_out_images(self):
        """Pixels of `held_out`, uint8 (n, height, width, channels)."""
        return dataset.pixels(self.held_out, self.image_shape)

    @cached_property
    def trial(self):
        """The `verify.Trial` of files on the held-out images."""
        keras_model = models.KerasModel(self.model)
        labels = self.held_out.labels
        return verify.Trial(keras_model, self.held_out_images, labels, self.labels, self.limits)

    def dressed(self, content):
        """A .tflite file with the metadata that phones read, its tensors named by Keras layers."""
        numbers = models.TFLiteModel(content).numbers()["input"]
        description = metadata.describe(
            self.model.name,
            self.options,
            numbers["shape"][1:],
            float_input=numbers["dtype"] == "float32",
        )
        # The converter's names list whole paths of the graph, longer than the metadata.
        return metadata.attach(content, description, self.labels, self.layer_of)

    @cached_property
    def layer_of(self):
        """A function from the name of a file's tensor to that of its Keras layer."""
        layers = doctor.layers_of(self.model)
        return lambda name: doctor.layer_of(name, layers)

    def why(self, error, content):
        """In a sentence why no runtime takes a file, of the DamagedFile that says so."""
        reason = error.__cause__
        return error if reason is None else refusal.sentence(reason, content, self.layer_of)

    def add(self, name, file, content):
        """Write the file of a format and its entry in the card."""
        file.write_bytes(content)
        model = models.load(file)
        numbers = model.numbers()
        words = {"pixels": PIXELS[numbers["input"]["dtype"]], "ops": model.ops()}
        self.card["formats"][name] = {"file": file.name} | entry(file) | numbers | words


PIXELS = {
    "uint8": "feed the bytes of the image as they are",
    "int8": "feed each byte of the image less 128",
    "float32": "feed the bytes of the image as floats of 0 to 255, divided by nothing",
}


def held_out(source, limits):
    """The images of a source that verify: its test split, or an even share of it."""
    split = source.splits["test"]
    return dataset.subset(split, dataset.stratified(split, limits.images))


def entry(file):
    """Size and sha256 of a file."""
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
