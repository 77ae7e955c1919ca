"""Layers that every family shares, and the papers' constants, each once.

Each function takes and returns a symbolic tensor of shape (batch, height, width, channels).
Layer names are those of the torch reference with "_" for ".", so that weights.py needs no tables.
"""

from keras_cnns.lazy import keras


def conv(x, filters, kernel, stride=1, *, groups=1, bias=False, pad=None, dilation=1, name):
    """Convolution padded alike on every side, as in Caffe and PyTorch.

    Keras' own "same" pads a strided window at the bottom and right only. Published weights
    then see an image shifted by a pixel at each stride, so strided convolutions pad first.

    Args:
        kernel: side, or (height, width).
        pad: rows and columns of zeros, a number or (height, width); default, kernel // 2;
            "same", as Keras and the networks of TensorFlow do.

    Raises:
        ValueError: channels, of x or of the result, that do not fall into the groups.
    """
    if any(count < groups or count % groups for count in (x.shape[-1], filters)):
        raise ValueError(f"{name}: {x.shape[-1]} to {filters} channels, not in {groups} groups")
    kernel = _pair(kernel)
    x, padding = _padded(x, kernel, stride, pad, name)
    return keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding,
        groups=groups,
        dilation_rate=dilation,
        use_bias=bias,
        kernel_initializer=_he(),
        name=name,
    )(x)


def depthwise(x, kernel, stride=1, *, bias=False, pad=None, dilation=1, name):
    """Convolution of each channel on its own, padded as `conv` does."""
    kernel = _pair(kernel)
    x, padding = _padded(x, kernel, stride, pad, name)
    return keras.layers.DepthwiseConv2D(
        kernel,
        stride,
        padding,
        dilation_rate=dilation,
        use_bias=bias,
        depthwise_initializer=_he(),
        name=name,
    )(x)


def _he():
    # He et al. 2015 ask for this variance; drawing it uniformly takes a third off a build.
    return keras.initializers.VarianceScaling(2.0, "fan_out", "uniform")


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def _padded(x, kernel, stride, pad, name):
    """Pad x where Keras' own padding would not do; return it with the padding to ask for."""
    if pad == "same":
        return x, "same"
    pad = _pair(pad) if pad is not None else (kernel[0] // 2, kernel[1] // 2)
    if pad == (0, 0):
        return x, "valid"
    if stride == 1 and all(2 * p + 1 == k for p, k in zip(pad, kernel, strict=True)):
        return x, "same"
    return keras.layers.ZeroPadding2D(pad, name=f"{name}_pad")(x), "valid"


def norm(x, *, epsilon=1e-5, name):
    """Batch normalization with the papers' constants, not Keras' (0.99 and 1e-3).

    Keras' momentum is 1 minus torch's. `training.norms` makes several devices share their
    statistics.
    """
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=epsilon, name=name)(x)


def relu(x, *, name):
    """Positive part."""
    return keras.layers.Activation("relu", name=name)(x)


def max_pool(x, size, stride, *, pad=0, ceil=False, signed=False, name):
    """Max pooling. Padding is with zeros, so it is exact only after a ReLU, or where `signed`.

    A pad of minus infinity would be exact everywhere, and ruin the scale of an integer file.

    Args:
        ceil: let a last window stick out at the bottom and right (Caffe's rule).
        signed: x may be negative and size is 2 * pad + 1: pool every pixel by Keras' own "same",
            which pads with nothing, then take each stride-th.
    """
    if signed:
        x = keras.layers.MaxPooling2D(size, 1, "same", name=f"{name}_all")(x)
        return keras.layers.MaxPooling2D(1, stride, name=name)(x)
    x = _pool_padded(x, size, stride, pad, ceil, name)
    return keras.layers.MaxPooling2D(size, stride, name=name)(x)


def avg_pool(x, size, stride, *, pad=0, name):
    """Average pooling that counts the zeros of its padding, as PyTorch does by default."""
    x = _pool_padded(x, size, stride, pad, False, name)
    return keras.layers.AveragePooling2D(size, stride, name=name)(x)


def _pool_padded(x, size, stride, pad, ceil, name):
    more = [-(side + 2 * pad - size) % stride if ceil else 0 for side in x.shape[1:3]]
    if not pad and not any(more):
        return x
    pads = tuple((pad, pad + extra) for extra in more)
    return keras.layers.ZeroPadding2D(pads, name=f"{name}_pad")(x)


def local_response_norm(x, size, *, alpha, beta, k, name):
    """Divide each channel by a power of its neighbours' energy (Krizhevsky et al. 2012, 3.3).

    x / (k + alpha * sum of x^2 over `size` channels) ** beta, with beta 0.75 or 0.5. alpha is the
    paper's; Caffe and PyTorch divide theirs by `size` first. Written with multiplications and
    inverse square roots, for which TFLite has integer kernels; it has none for a power.
    """
    height, width, channels = x.shape[1:]
    energy = keras.layers.Multiply(name=f"{name}_square")([x, x])
    energy = keras.layers.Reshape((height * width, channels, 1), name=f"{name}_flat")(energy)
    energy = keras.layers.ZeroPadding2D((0, size // 2), name=f"{name}_pad")(energy)
    energy = keras.layers.AveragePooling2D((1, size), 1, name=f"{name}_mean")(energy)
    energy = keras.layers.Reshape((height, width, channels), name=f"{name}_unflat")(energy)
    root = keras.ops.rsqrt(energy * (alpha * size) + k)
    factor = {0.5: lambda: root, 0.75: lambda: root * root * keras.ops.rsqrt(root)}[beta]()
    return keras.layers.Multiply(name=name)([x, factor])


def squeeze_excite(x, narrow, *, act="relu", gate="sigmoid", name, squeeze="fc1", excite="fc2"):
    """Scale each channel by a gate computed from all channels (Hu et al. 2017, figure 2).

    1x1 convolutions on a 1x1 image: dense layers would need two reshapes on a device.

    Args:
        narrow: channels between the two layers.
        act: name of the activation between them.
        gate: "sigmoid" or "hard_sigmoid".
        name: of the torch module; squeeze and excite are its two layers.
    """
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = conv(y, narrow, 1, bias=True, name=f"{name}_{squeeze}")
    y = keras.layers.Activation(act, name=f"{name}_{act}")(y)
    y = conv(y, x.shape[-1], 1, bias=True, name=f"{name}_{excite}")
    y = keras.layers.Activation(gate, name=f"{name}_gate")(y)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


def attention(q, k, v, *, heads, bias=None, name):
    """Each position's mean over all of them, weighed by softmax(q k^T / sqrt(depth) + bias).

    Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, equation 1.

    Args:
        q, k, v: (batch, positions, heads * depth).
        bias: added to the scores; a function of the scaled q, (batch, heads, positions, depth) ->
            (batch, heads, positions, positions). None, nothing.

    Returns:
        (batch, positions, heads * depth).
    """
    positions, channels = v.shape[1:]

    def by_head(x, order, letter):
        shape = (positions, heads, channels // heads)
        x = keras.layers.Reshape(shape, name=f"{name}_{letter}_heads")(x)
        return keras.layers.Permute(order, name=f"{name}_{letter}")(x)

    q, k, v = by_head(q, (2, 1, 3), "q"), by_head(k, (2, 3, 1), "k"), by_head(v, (2, 1, 3), "v")
    q = keras.layers.Rescaling((channels // heads) ** -0.5, name=f"{name}_scale")(q)
    scores = keras.ops.matmul(q, k)
    if bias:
        scores = keras.layers.Add(name=f"{name}_bias")([scores, bias(q)])
    shares = keras.layers.Softmax(name=f"{name}_softmax")(scores)
    x = keras.layers.Permute((2, 1, 3), name=f"{name}_join")(keras.ops.matmul(shares, v))
    return keras.layers.Reshape((positions, channels), name=f"{name}_joined")(x)


def channel_shuffle(x, groups, *, name):
    """Deal the channels of each group out to all groups (Zhang et al. 2017, figure 1)."""
    height, width, channels = x.shape[1:]
    x = keras.layers.Reshape((height, width, groups, channels // groups), name=f"{name}_split")(x)
    x = keras.layers.Permute((1, 2, 4, 3), name=f"{name}_deal")(x)
    return keras.layers.Reshape((height, width, channels), name=name)(x)


def classifier(x, classes, *, dropout=0.0, name):
    """Mean over the image, then one logit a class."""
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(classes, name=name)(x)


def scaled(filters, multiplier, divisor=8):
    """`filters` times `multiplier`, to the nearest multiple of `divisor`; unchanged at 1.

    Never less than one `divisor`. Eight suits the kernels of phones; a grouped layer passes a
    multiple of its groups.
    """
    if multiplier == 1:
        return filters
    return max(divisor, round(filters * multiplier / divisor) * divisor)
