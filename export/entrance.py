"""The way into a network: normalization inside its first convolution, and grey from colours.

A network begins with pixels * scale + offset, perhaps padding, and a convolution. The scale goes
into the kernel, always exactly. So does the offset where nothing is padded. Under padding it is
not exact: the zeros lie around the normalized image, where the kernel would see them as
(0 - offset) / scale. There the image is padded with that number before the convolution, in the
place of the zeros after normalization: exact again, and where the network padded in a step of its
own not an operation more. One number pads all channels; where the channels' differ, one addition
of offset / scale stays in front of the convolution.
"""

import keras
import numpy as np
import tensorflow as tf

from pipelines.colour import LUMA


def folded(model, channels, *, zeros=False):
    """A function from pixels of so many channels to the answers of a model.

    Args:
        model: a `keras.Model` of one image, of 1 or 3 channels.
        channels: those of the model, or 3 for a model of grey images: it then weighs red, green
            and blue as `pipelines.decode` does when it makes an image grey.
        zeros: pad with zeros alone, and leave the addition in front where another number would do.
    """
    grey = channels == 3 and model.input_shape[-1] == 1
    chain = _chain(model)
    if chain is None:
        return lambda image: model(_to_grey(image) if grey else image, training=False)
    scale, offset, padding, first = chain
    rest = keras.Model(first.output, model.output)
    enter = _entrance(scale, offset, padding, first, grey, zeros)
    return lambda image: rest(enter(image), training=False)


def _to_grey(image):
    # A convolution, for which every runtime has integer kernels.
    return tf.nn.conv2d(image, np.reshape(LUMA, (1, 1, 3, 1)).astype(np.float32), 1, "VALID")


def _chain(model):
    """(scale, offset, padding, convolution) at the entrance of a model; None if it has others."""
    tensor, scale, offset, padding = model.input, 1.0, 0.0, None
    while (layer := _only_consumer(model, tensor)) is not None:
        if padding is None and (linear := _linear(layer)) is not None:
            scale, offset = scale * linear[0], offset * linear[0] + linear[1]
        elif padding is None and isinstance(layer, keras.layers.ZeroPadding2D):
            padding = layer.padding
        elif type(layer) is keras.layers.Conv2D and layer.groups == 1:
            return scale, offset, padding, layer
        elif not isinstance(layer, keras.layers.InputLayer):
            return None
        tensor = layer.output
    return None


def _only_consumer(model, tensor):
    """The one layer of a model that takes a tensor and nothing else; None if there are others."""
    found = []
    for layer in model.layers:
        nodes = [n for n in layer._inbound_nodes if any(t is tensor for t in n.input_tensors)]
        if nodes and (len(layer._inbound_nodes) > 1 or len(nodes[0].input_tensors) > 1):
            return None
        found += [layer] if nodes else []
    return found[0] if len(found) == 1 and not any(tensor is t for t in model.outputs) else None


def _linear(layer):
    """(scale, offset) of a layer that is no more than that, one number or one a channel."""
    if isinstance(layer, keras.layers.Rescaling):
        scale, offset = np.asarray(layer.scale), np.asarray(layer.offset)
    elif isinstance(layer, keras.layers.Normalization) and not layer.invert:
        if layer.axis not in ((-1,), (3,), ()):
            return None
        deviation = np.maximum(np.sqrt(np.ravel(layer.variance)), keras.config.epsilon())
        scale, offset = 1 / deviation, -np.ravel(layer.mean) / deviation
    else:
        return None
    if scale.ndim > 1 or offset.ndim > 1 or not np.all(scale):
        return None
    return scale.astype(np.float64), offset.astype(np.float64)


def _entrance(scale, offset, padding, conv, grey, zeros):
    """A function from pixels to what the first convolution gives."""
    kernel = conv.kernel.numpy().astype(np.float64)
    scale, offset = (np.broadcast_to(n, kernel.shape[2]) for n in (scale, offset))
    bias = conv.bias.numpy().astype(np.float64) if conv.use_bias else np.zeros(kernel.shape[3])
    kernel = kernel * scale[:, None]
    blank = -offset / scale  # the pixel that normalization makes zero
    pads = np.add(padding or 0, _same_padding(conv))
    uniform = np.ptp(blank) == 0 and not (zeros and np.any(blank))
    if uniform or not np.any(pads):
        bias = bias - np.einsum("hwio,i->o", kernel, blank)
    value = float(blank[0]) if uniform else 0.0
    if grey:
        kernel = kernel * np.reshape(LUMA, (3, 1))
    kernel, bias = kernel.astype(np.float32), bias.astype(np.float32)
    explicit = padding is not None or (np.any(pads) and value != 0)
    implicit = "VALID" if explicit else conv.padding.upper()

    def enter(image):
        with tf.name_scope(conv.name):  # the doctor finds layers by the names in the file
            return work(image)

    def work(image):
        if not uniform and np.any(pads):
            image = image - blank.astype(np.float32)
        if explicit:
            image = tf.pad(image, [(0, 0), *pads, (0, 0)], constant_values=value)
        image = tf.nn.conv2d(image, kernel, conv.strides, implicit, dilations=conv.dilation_rate)
        return conv.activation(tf.nn.bias_add(image, bias))

    return enter


def _same_padding(conv):
    """((top, bottom), (left, right)) that a convolution adds of its own."""
    if conv.padding != "same":
        return (0, 0), (0, 0)
    pads = []
    for axis in range(2):
        side, stride = conv.input.shape[1 + axis], conv.strides[axis]
        window = (conv.kernel_size[axis] - 1) * conv.dilation_rate[axis] + 1
        total = max((-(-side // stride) - 1) * stride + window - side, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)
