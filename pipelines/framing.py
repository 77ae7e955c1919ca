"""Images straight from their files to the model's size, for recipes that take a part of each.

JPEG is decoded by libjpeg-turbo in plain Python, no larger than the result can show: of a
photograph of a telephone, seen at 224 pixels, an eighth of the height and width is enough, which
a smaller inverse cosine transform gives at a tenth of the time. The pixels are those of `decode`
where nothing is reduced; all other files go through `decode` itself.
"""

import numpy as np
import simplejpeg

from pipelines import augment
from pipelines.decode import UPRIGHT, decode


def reader(split, shape, recipe, seed):
    """Plain Python: (epochs (n,), indices (n,)) -> n augmented images, uint8 (n, *shape)."""

    def read(epochs, indices):
        images = np.empty((len(indices), *shape), np.uint8)
        for image, epoch, i in zip(images, epochs.tolist(), indices.tolist(), strict=True):
            row = [item[i] for item in split.items]
            values = augment.draw(recipe, seed, epoch, i)
            if split.encoded is None:
                source, options = np.asarray(split.read(*row)), {}
            else:
                source, options = _decoded(*split.encoded(*row), values, shape)
            image[:] = augment.apply(source, values, shape, fill=recipe.fill, **options)
        return images

    return read


def _decoded(data, orientation, alpha, values, shape):
    """(An upright image, what `augment.apply` must know of its size)."""
    is_jpeg = data[:3] == b"\xff\xd8\xff"
    found = _by_turbo(data, orientation, values, shape) if is_jpeg else None
    return found or (decode(data, orientation, alpha).numpy(), {})


def _by_turbo(data, orientation, values, shape):
    try:
        high, wide, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("YCbCr", "Gray", "RGB"):
            return None
        transpose, left_right, up_down = UPRIGHT[orientation - 1]
        source = (wide, high) if transpose else (high, wide)
        transform = augment.matrix(values, shape, source)
        factor = augment.reduction(transform, shape)
        least = {"min_height": -(-high // factor), "min_width": -(-wide // factor)}
        image = simplejpeg.decode_jpeg(data, "RGB", **least)
    except ValueError:  # what it calls damaged may be no more than unusual
        return None
    image = image.transpose(1, 0, 2) if transpose else image
    image = image[:: -1 if up_down else 1, :: -1 if left_right else 1]
    return np.ascontiguousarray(image), {"transform": transform, "reduced": factor}
