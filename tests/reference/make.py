"""Write the logits of a published torch definition; wants torch and the library, but not Keras.

python tests/reference/make.py timm resnetv2_101 tests/reference/timm-resnetv2_101.npz
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
drawing = importlib.import_module("drawing")


def definition(library, name):
    """A network of torchvision, timm or pytorchcv, untrained."""
    if library == "torchvision":
        return importlib.import_module("torchvision.models").get_model(name, weights=None)
    if library == "timm":
        return importlib.import_module("timm").create_model(name, pretrained=False)
    return importlib.import_module("pytorchcv.model_provider").get_model(name, pretrained=False)


def answer(model, images):
    """The main head's logits."""
    found = model(torch.from_numpy(images))
    return (found[0] if isinstance(found, (tuple, list)) else found).numpy()


def main():
    """Draw the weights, answer in double precision, and note how far single precision lies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=("torchvision", "timm", "pytorchcv"))
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--gain", type=float, default=1.0, help="of normalizations, 0.5 if deep")
    parser.add_argument("--side", type=int, default=224)
    args = parser.parse_args()
    model, tensors = definition(args.library, args.model).eval(), []
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensors.append([name, list(tensor.shape)])
                tensor.copy_(torch.from_numpy(drawing.drawn(name, tensor.shape, args.gain)))
        shape = (1, 3, args.side, args.side)
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        single = answer(model, images)
        logits = answer(model.double(), images.astype(np.float64))
    facts = {
        "library": args.library,
        "model": args.model,
        "input_nchw": list(shape),
        "gain": args.gain,
        "tensors": tensors,
        "float32_noise": float(np.abs(single - logits).max() / np.abs(logits).max()),
    }
    np.savez_compressed(args.out, logits=logits, meta=json.dumps(facts))


if __name__ == "__main__":
    main()
