"""Models that answer pixels with probabilities, whatever file they lie in.

Only files that cannot run code are opened: .keras in Keras' safe mode, and .tflite.
"""

import zipfile
from pathlib import Path

import numpy as np

from export import graph, refusal
from pipelines.errors import DamagedFile, UserError
from pipelines.quiet import quiet

# At a sum of 512 the reference softmax shifts by more bits than there are, and its check ends all.
MOST_ALIKE = 511  # classes
# Keras stores weights as they are; of its JSON, the largest network of the lecture has 2 MB.
MOST_UNPACKED, MOST_PACKED = 2**26, 20  # bytes, and times the file's own
SOFTMAX_STEP = 1 / 256  # of an 8-bit softmax's output, by the definition of the operation


def load(path, *, reference_kernels=False, threads=1):
    """Open a .keras, .tflite or .onnx file.

    Returns:
        An object with `input_shape` (height, width, channels), `classes`, and
        `predict(pixels)`: uint8 (n, height, width, channels) -> float32 (n, classes).

    Raises:
        DamagedFile: a damaged or unsafe file.
        UserError: no image classifier.
    """
    if Path(path).suffix == ".keras":
        return KerasModel(load_keras(path))
    content = Path(path).read_bytes()
    try:
        if Path(path).suffix == ".onnx":
            from export.to_onnx import OnnxModel

            return OnnxModel(content, threads=threads)
        return TFLiteModel(content, reference_kernels=reference_kernels, threads=threads)
    except (DamagedFile, UserError) as error:
        raise type(error)(f"{path}: {error}") from error


def load_keras(path):
    """Open a .keras file in safe mode, and check that it maps one image to class scores."""
    _check_archive(path)
    with quiet():
        import keras
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedFile(f"{path} is damaged or unsafe, and was not opened: {reason}") from error
    sides = (getattr(model, side, None) or () for side in ("inputs", "outputs"))
    # The batch of a Keras model is any, also where it was built with one.
    inputs, outputs = ([(None, *tensor.shape[1:]) for tensor in side] for side in sides)
    try:
        check_classifier(inputs, outputs)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    plain = type(model) is not keras.Sequential  # which knows its layers' input, and not its own
    if plain and all(map(keras.utils.is_keras_tensor, (model.input, model.output))):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)  # out of its dict


def _check_archive(path):
    """Refuse what is no ZIP archive, or would unpack to far more than Keras ever packed.

    Raises:
        DamagedFile: it is such.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile:
        raise DamagedFile(f"{path} is damaged, or no .keras file") from None
    if unpacked > MOST_UNPACKED + MOST_PACKED * Path(path).stat().st_size:
        raise DamagedFile(
            f"{path} is unsafe, and was not opened: it would unpack to {unpacked:,} bytes, and "
            "Keras packs no file so tightly"
        )


def in_float32(model):
    """The same model in float32, where it was trained in mixed or half precision.

    Raises:
        UserError: a model whose weights are already quantized.
    """
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    if policies == {"float32"}:
        return model
    if quantized := sorted(name for name in policies if "from" in name):
        raise UserError(
            f"{model.name} is quantized already ({quantized[0]}); export it unquantized"
        )
    twin = type(model).from_config(_float32_config(model.get_config()))
    twin.set_weights(model.get_weights())
    return twin


def _float32_config(config):
    """A model's configuration with every policy of numbers replaced by float32."""
    if isinstance(config, list | tuple):
        return type(config)(map(_float32_config, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float32"}}
    plain = {"dtype": "float32"} if isinstance(config.get("dtype"), str) else {}
    return {key: _float32_config(value) for key, value in config.items()} | plain


def check_classifier(inputs, outputs):
    """Refuse what does not map one image to a score for each class.

    Args:
        inputs: shapes of all there are, the batch first; None, any number.
        outputs: the same.

    Raises:
        UserError: it maps something else.
    """
    image = len(inputs) == 1 and len(inputs[0]) == 4 and inputs[0][-1] in (1, 3)
    scores = len(outputs) == 1 and len(outputs[0]) == 2
    known = image and scores and None not in (*inputs[0][1:], *outputs[0][1:])
    if not (known and inputs[0][0] in (None, 1)):
        told = (", ".join(map(_shown, shapes)) or "nothing" for shapes in (inputs, outputs))
        raise UserError(
            "no image classifier: it maps {} to {}, not (1, height, width, 1 or 3) to "
            "(1, classes)".format(*told)
        )


def _shown(shape):
    return f"({', '.join('any' if n is None else str(n) for n in shape)})"


def gives_probabilities(model):
    """Whether a Keras model ends in a softmax, or in a mean of such; ours end in logits."""
    return _is_softmax(model.outputs[0])


def _is_softmax(tensor):
    last = tensor._keras_history.operation
    if type(last).__name__ == "Average":
        return all(map(_is_softmax, last.input))
    if hasattr(last, "layers"):  # a whole model in the place of a layer
        return gives_probabilities(last)
    named = getattr(getattr(last, "activation", None), "__name__", "")
    return named == "softmax" or type(last).__name__ == "Softmax"


class KerasModel:
    """A Keras model from pixels to logits or probabilities."""

    def __init__(self, model, batch_size=64):
        self.model = model
        self.batch_size = batch_size
        self.input_shape = tuple(model.input_shape[1:])
        self.classes = model.output_shape[-1]
        self.softmax = not gives_probabilities(model)

    def predict(self, pixels):
        """Probabilities of each image."""
        scores = self.model.predict(pixels, batch_size=self.batch_size, verbose=0)
        return softmax(scores) if self.softmax else scores


def softmax(logits):
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class TFLiteModel:
    """A .tflite file, run by the interpreter that phones have.

    Args:
        content: the bytes of the file.
        reference_kernels: run the plain kernels that define each operation instead of XNNPACK.
            Their 8-bit softmax ends the process where more than 511 classes are about equally
            likely, or where scores are the same whatever the image; to such an image `predict`
            gives the answer of XNNPACK.
    """

    def __init__(self, content, *, reference_kernels=False, threads=1):
        self.content = content
        with quiet():
            from ai_edge_litert import interpreter as litert

            kinds = litert.OpResolverType
            try:
                # The reference kernels would end the process as they are set up.
                self._dead = reference_kernels and graph.read(content).ends_dead
                plain = reference_kernels and not self._dead
                kernels = kinds.BUILTIN_REF if plain else kinds.AUTO
                self.interpreter = litert.Interpreter(
                    model_content=content,
                    num_threads=threads,
                    experimental_op_resolver_type=kernels,
                )
                self.interpreter.allocate_tensors()
            except Exception as error:
                raise DamagedFile(refusal.sentence(error, content)) from error
        inputs, outputs = (
            self.interpreter.get_input_details(),
            self.interpreter.get_output_details(),
        )
        check_classifier(*([_shape(tensor) for tensor in side] for side in (inputs, outputs)))
        self.input, self.output = inputs[0], outputs[0]
        self.input_shape = tuple(int(n) for n in self.input["shape"][1:])
        self.classes = int(self.output["shape"][-1])
        step = self.output["quantization"][0]
        many = self.classes > MOST_ALIKE and step == SOFTMAX_STEP
        fragile = reference_kernels and (many or self._dead)
        self._survivor = TFLiteModel(content, threads=threads) if fragile else None

    def survives(self, pixels):
        """Whether each image can be run on these kernels, bool (n,)."""
        if self._survivor is None:
            return np.ones(len(pixels), bool)
        if self._dead:
            return np.zeros(len(pixels), bool)
        return self._survivor.predict(pixels).max(1) > SOFTMAX_STEP

    def predict(self, pixels):
        """Probabilities of each image, one at a time as on a device."""
        pixels = in_channels(pixels, self.input_shape[-1])
        probabilities = np.empty((len(pixels), self.classes), np.float32)
        survives = self.survives(pixels)
        for i, image in enumerate(self.quantized(pixels)):
            if not survives[i]:
                probabilities[i] = self._survivor.predict(pixels[i][None])[0]
                continue
            self.interpreter.set_tensor(self.input["index"], image[None])
            self.interpreter.invoke()
            probabilities[i] = self._real(self.interpreter.get_tensor(self.output["index"])[0])
        return probabilities

    def quantized(self, pixels):
        """Pixels as the file wants them: real = scale * (stored - zero point)."""
        kind = self.input["dtype"]
        scale, zero = self.input["quantization"]
        if not scale:
            return np.asarray(pixels, kind)
        limits = np.iinfo(kind)
        stored = np.round(np.asarray(pixels, np.float32) / scale) + zero
        return np.clip(stored, limits.min, limits.max).astype(kind)

    def _real(self, stored):
        scale, zero = self.output["quantization"]
        return (stored.astype(np.float32) - zero) * scale if scale else stored

    def ops(self):
        """{operation: how many} of the file."""
        return graph.read(self.content).ops

    def numbers(self):
        """How the file writes numbers: real = scale * (stored - zero_point)."""
        return {side: _numbers(getattr(self, side)) for side in ("input", "output")}

    def signature(self):
        """{signature: (input names, output names)} of the file."""
        found = self.interpreter.get_signature_list()
        return {name: (parts["inputs"], parts["outputs"]) for name, parts in found.items()}


def _shape(details):
    """The shape of a tensor of a .tflite file; None for what may change."""
    return [None if side < 0 else int(side) for side in details["shape_signature"]]


def _numbers(details):
    scale, zero_point = details["quantization"]
    shape = [int(side) for side in details["shape"]]
    known = {"scale": scale, "zero_point": zero_point} if scale else {}
    return {"dtype": details["dtype"].__name__, "shape": shape} | known


def in_channels(pixels, channels):
    """Images as a file takes them: grey ones three times over where it takes those of a camera."""
    pixels = np.asarray(pixels)
    grey = pixels.shape[-1] == 1 and channels == 3
    return np.repeat(pixels, 3, axis=-1) if grey else pixels
