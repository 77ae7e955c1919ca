"""Where a network looks: Grad-CAM.

Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, arXiv:1610.02391, equations 1 and 2. Of
a network that ends in global average pooling and one dense layer it is the class activation map of
Zhou et al. 2016 (arXiv:1512.04150), but for the constant 1 / (height * width) and the ReLU.
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from matplotlib import colormaps
from PIL import Image

from pipelines.errors import UserError
from pipelines.files import claim, whole_folder, write_text

MARKER = "grad_cam.json"
OWNED = (MARKER, "*.cam.png")
SIDE = 640  # pixels of the longer side of an overlay
OPACITY = 0.5
# Layers that only thin out or pass on a map: the one before them is looked at.
PASSING = ("Pool", "Dropout", "Padding", "Cropping", "UpSampling", "Rescaling", "Resizing")


def last_map(model):
    """The layer whose output is the last convolutional map: (batch, height, width, channels).

    It is the last layer with a map of more than 1 x 1, its normalization and activation included,
    from the first convolution on; pooling and dropout do not count.

    Raises:
        UserError: the network has none.
    """
    found, convolved = None, False
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise UserError(
                f"{model.name} holds whole networks ({layer.name}, ...): Grad-CAM explains one; "
                "name the run of a member"
            )
        kernel = getattr(layer, "kernel", None)
        convolved = convolved or (kernel is not None and len(kernel.shape) == 4)
        shape = tuple(getattr(getattr(layer, "output", None), "shape", ()))
        passes = any(word in type(layer).__name__ for word in PASSING)
        if convolved and not passes and len(shape) == 4 and shape[1] * shape[2] > 1:
            found = layer
    if found is None:
        raise UserError(f"{model.name} has no convolutional map; Grad-CAM needs one")
    return found


def _scores(model):
    """The tensor of class scores before a softmax, as a function of the model's own tensors."""
    last = model.layers[-1]
    if type(last).__name__ == "Softmax":
        return last.input, lambda scores: scores
    if getattr(getattr(last, "activation", None), "__name__", "") == "softmax":
        if isinstance(last, keras.layers.Activation):
            return last.input, lambda scores: scores
        return last.input, lambda x: tf.matmul(x, last.kernel) + last.bias
    return model.outputs[0], lambda scores: scores


def grad_cam(model, pixels, classes=None):
    """Class activation maps by the gradient.

    alpha_k = mean over i, j of d y_c / d A_ijk (equation 1), the map is
    ReLU(sum over k of alpha_k A_k) (equation 2), y_c being the score before the softmax.

    Args:
        model: a functional or sequential Keras model from pixels to class scores.
        pixels: (n, height, width, channels), 0..255.
        classes: int (n,), which class to explain; None, the answer.

    Returns:
        float32 (n, map height, map width), at least 0, not normalized.

    Raises:
        UserError: the network has no convolutional map.
    """
    layer = last_map(model)
    before, finish = _scores(model)
    parts = keras.Model(model.inputs[0], [layer.output, before])
    with tf.GradientTape() as tape:
        maps, end = parts(tf.cast(pixels, tf.float32), training=False)
        scores = finish(end)
        if classes is None:
            classes = tf.argmax(scores, axis=1)
        chosen = tf.gather(scores, tf.cast(classes, tf.int32), axis=1, batch_dims=1)
    gradients = tape.gradient(chosen, maps)
    if gradients is None:
        raise UserError(f"{model.name}: the scores do not depend on its last map, {layer.name}")
    alpha = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(alpha * maps, axis=-1)).numpy().astype(np.float32)


def overlay(image, cam):
    """An image beside itself under its map.

    Args:
        image: uint8 (height, width, 1 or 3).
        cam: float (map height, map width), at least 0.

    Returns:
        A Pillow image, twice as wide. An empty map leaves the right half as it is.
    """
    picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).convert("RGB")
    scale = SIDE / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    how = Image.Resampling.NEAREST if scale > 4 else Image.Resampling.LANCZOS
    picture = picture.resize(size, how)
    strength = cam / cam.max() if cam.max() > 0 else cam
    heat = Image.fromarray(strength.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(heat), 0, 1)
    colour = 255 * colormaps["turbo"](heat)[..., :3]
    # Where the map is 0 the image stays as it is: the eye is drawn to what was looked at alone.
    weight = OPACITY * np.minimum(1, 2 * heat)[..., None]
    mixed = np.asarray(picture) * (1 - weight) + colour * weight
    pair = Image.new("RGB", (2 * size[0], size[1]))
    pair.paste(picture, (0, 0))
    pair.paste(Image.fromarray(mixed.round().astype(np.uint8)), (size[0], 0))
    return pair


def check(out, images):
    """Refuse a folder that is not ours or that holds the images, before the work."""
    holds = {Path(image).absolute().parent for image in images}
    if Path(out).absolute() in holds:
        raise UserError(f"{out} holds your images; name another folder with --grad-cam")
    claim(out, marker=MARKER, owned=OWNED, as_whole=True)


def write(trained, answers, paths, out):
    """Write one overlay for each image, and what each shows to grad_cam.json.

    Args:
        trained: an `export.trained.Trained`, of a .keras file: others have no gradients.
        answers: of `evaluate.predict`, whose first class is explained.
        paths: the image files.
        out: the folder; an older one of ours is replaced as a whole.

    Raises:
        UserError: a network without a convolutional map.
    """
    from export import models
    from export.trained import names_of
    from pipelines.check.image import inspect
    from pipelines.decode import load, picture

    model = models.load_keras(trained.path)
    names = names_of(trained, model.output_shape[-1])
    layer, told = last_map(model), []
    with whole_folder(out) as folder:
        for path, answer in zip(paths, answers, strict=True):
            facts = inspect(path)
            said, probability = answer["answers"][0]
            pixels = load(path, facts, model.input_shape[1:])
            cam = grad_cam(model, pixels[None], np.array([names.index(said)]))[0]
            image = picture(path, facts).numpy()
            file = _free(Path(path).stem, [row["file"] for row in told])
            overlay(image, cam).save(folder / file)
            told.append(
                {"image": answer["image"], "file": file, "class": said, "probability": probability}
            )
        facts = {"layer": layer.name, "map": list(layer.output.shape[1:]), "images": told}
        write_text(folder / MARKER, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def _free(stem, taken):
    """A file name that no other image of the same name has taken."""
    stem = stem.encode("utf-8", "replace").decode()[:100]
    number, name = 1, f"{stem}.cam.png"
    while name in taken:
        number += 1
        name = f"{stem}-{number}.cam.png"
    return name
