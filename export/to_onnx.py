"""ONNX files: made by tf2onnx, run by onnxruntime. Both are extras; nothing else needs them."""

from collections import Counter

import numpy as np

from export.models import check_classifier, in_channels
from pipelines.errors import DamagedFile, UserError

OPSET = 18  # of onnxruntime 1.14 (2023) and later
FLOAT = "tensor(float)"


def convert(saved_model):
    """The bytes of an ONNX file of a SavedModel, with its names of input and output."""
    import onnx
    import tf2onnx
    from tf2onnx import tf_loader

    graph, inputs, outputs, names = tf_loader.from_saved_model(
        saved_model, None, None, return_tensors_to_rename=True
    )
    model, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=inputs, output_names=outputs, opset=OPSET, tensors_to_rename=names
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


class OnnxModel:
    """An ONNX file from pixels to probabilities, as `models.TFLiteModel` is for .tflite."""

    def __init__(self, content, *, threads=1):
        try:
            import onnxruntime
        except ImportError:
            raise UserError("an .onnx file needs onnxruntime: pip install onnxruntime") from None
        self.content = content
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(content, options)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise DamagedFile(f"the .onnx file cannot be run: {reason}") from error
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        check_classifier(*([_shape(tensor) for tensor in side] for side in (inputs, outputs)))
        (self.input,), (self.output,) = inputs, outputs
        if kinds := {self.input.type, self.output.type} - {FLOAT}:
            raise UserError(
                f"the .onnx file takes or gives {', '.join(sorted(kinds))}, not {FLOAT}"
            )
        self.input_shape = tuple(self.input.shape[1:])
        self.classes = self.output.shape[-1]

    def predict(self, pixels):
        """Probabilities of each image, one at a time as on a device."""
        images = in_channels(pixels, self.input_shape[-1]).astype(np.float32)
        run = self.session.run
        return np.concatenate([run(None, {self.input.name: image[None]})[0] for image in images])

    def ops(self):
        """{operation: how many}."""
        import onnx

        return dict(
            Counter(node.op_type for node in onnx.load_from_string(self.content).graph.node)
        )

    def numbers(self):
        """Type and shape of input and output, as in a bundle's card."""
        return {
            side: {"dtype": "float32", "shape": list(getattr(self, side).shape)}
            for side in ("input", "output")
        }

    def signature(self):
        """{signature: (input names, output names)} of the file."""
        return {"serving_default": ([self.input.name], [self.output.name])}


def _shape(tensor):
    """The shape of an input or output; None for what has a name in the place of a number."""
    return [side if isinstance(side, int) else None for side in tensor.shape]
