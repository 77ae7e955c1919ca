"""Why a runtime takes no .tflite file, in a sentence."""

import re

from export import graph

NODE = re.compile(r"Node number (\d+) \((\w+)\) failed to ")


def sentence(error, content, layer_of=lambda tensor: tensor.split(";")[-1]):
    """What the runtime's error on a file means.

    Args:
        error: the exception that the runtime raised.
        content: the bytes of the file.
        layer_of: name of a tensor in it -> that of its layer.
    """
    text = " ".join(str(error).split())[:200]
    node = NODE.search(text)
    if not node:
        return f"the .tflite file cannot be run: {text}"
    if dead := graph.read(content).dead:
        return (
            f"{layer_of(dead[0])} and what follows answer the same number to every image of the "
            "calibration, and integers have no scale for that: the network is dead there; train it "
            "anew with a lower learning rate, or look at the images"
        )
    number, operation = node.groups()
    who, what = "the runtime", f"operation {number} of the file, {operation}"
    if operation.startswith("TfLiteXNNPack"):
        who, what = "XNNPACK, whose kernels phones use,", "an operation of the file"
    return f"{who} refuses {what}, in these numbers ({text})"
