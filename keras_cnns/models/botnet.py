"""BoTNet: a ResNet whose last blocks attend to the whole image instead of to 3x3 pixels.

Srinivas, Lin, Parmar, Shlens, Abbeel and Vaswani 2021, Bottleneck Transformers for Visual
Recognition, arXiv:2101.11605 (figures 3 and 4; table 1). A score has two terms: what two pixels
hold, and how far apart they lie in rows and in columns. A network knows the distances of the size
it was built for alone, so that a checkpoint fits one size of images.

`botnet50` is the paper's BoT50 for classification: attention in the three last blocks, in the
first of them with a pool behind it that strides. `botnet50ts_256` is timm's, with its layer names:
a stem of three small convolutions, SiLU, attention in one block of the second stage and in every
other one of the third and fourth, and distances that are scored by the query before it is scaled.
"""

from keras_cnns.blocks import attention, classifier, conv, max_pool, norm, scaled
from keras_cnns.lazy import keras
from keras_cnns.models.mobilenet import unit
from keras_cnns.registry import register

HEADS = 4


def apart(q, height, width, *, name):
    """Scores of how far two pixels lie apart along a line (figure 4; Shaw et al. 2018).

    A dense layer scores each query against all distances from -(width - 1) to width - 1, of which
    pixel i needs those from -i on. Padded by one, flattened and cut a number shorter, each row
    starts one place earlier than the row before, which is just that.

    Args:
        q: queries, (batch, heads * height, width, depth).

    Returns:
        (batch, heads * height, width, width), from pixel to pixel of one line.
    """
    lines, far = q.shape[1], 2 * width - 1
    x = keras.layers.Dense(far, use_bias=False, name=name)(q)
    x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1)))
    x = keras.layers.Reshape((lines, width * (far + 1)), name=f"{name}_flat")(x)
    x = keras.ops.pad(x, ((0, 0), (0, 0), (0, width - 1)))
    x = keras.layers.Reshape((lines, width + 1, far), name=f"{name}_moved")(x)
    return x[:, :, :width, width - 1 :]


def relative_positions(height, width, *, rescale, name):
    """The bias of `attention` for pixels of an image: scores of rows and of columns, added.

    Args:
        rescale: multiply the scores by this.
    """

    def bias(q):
        heads, positions, depth = q.shape[1:]

        def shaped(x, *shape, to):
            return keras.layers.Reshape(shape, name=f"{name}_{to}")(x)

        rows = apart(
            shaped(q, heads * height, width, depth, to="rows"), height, width,
            name=f"{name}_width_rel",
        )  # fmt: skip
        turned = shaped(q, heads, height, width, depth, to="image")
        turned = keras.layers.Permute((1, 3, 2, 4), name=f"{name}_turn")(turned)
        turned = shaped(turned, heads * width, height, depth, to="columns")
        columns = apart(turned, width, height, name=f"{name}_height_rel")
        columns = shaped(columns, heads, width, height, height, to="by_column")
        columns = keras.layers.Permute((1, 3, 2, 4), name=f"{name}_turn_back")(columns)
        total = keras.layers.Add(name=name)(
            [
                shaped(rows, heads * positions, 1, width, to="to_column"),
                shaped(columns, heads * positions, height, 1, to="to_row"),
            ]
        )
        total = shaped(total, heads, positions, positions, to="scores")
        if rescale == 1:
            return total
        return keras.layers.Rescaling(rescale, name=f"{name}_rescale")(total)

    return bias


def attend(x, stride, *, scale_distances, name):
    """Multi-head attention over all pixels of x, with as many channels as it has.

    Args:
        stride: 2, mean of each two by two pixels of the result.
        scale_distances: whether the scaled query scores the distances.
    """
    height, width, channels = x.shape[1:]
    x = conv(x, 3 * channels, 1, name=f"{name}_qkv")
    x = keras.layers.Reshape((height * width, 3 * channels), name=f"{name}_pixels")(x)
    q, k, v = keras.ops.split(x, 3, axis=-1)
    rescale = 1 if scale_distances else (channels // HEADS) ** 0.5
    bias = relative_positions(height, width, rescale=rescale, name=f"{name}_pos_embed")
    x = attention(q, k, v, heads=HEADS, bias=bias, name=name)
    x = keras.layers.Reshape((height, width, channels), name=f"{name}_image")(x)
    if stride == 1:
        return x
    # "same" rounds an odd size up, as the strided shortcut does.
    return keras.layers.AveragePooling2D(2, 2, "same", name=f"{name}_pool")(x)


def block(x, width, stride, *, attends, act, scale_distances, name):
    """A bottleneck, y = x + f(x), whose middle is a 3x3 convolution or attention."""
    shortcut = x
    if stride > 1 or x.shape[-1] != 4 * width:
        names = f"{name}_shortcut_conv", f"{name}_shortcut_bn"
        shortcut = unit(x, 4 * width, 1, stride, names=names)

    def step(x, filters, kernel, stride=1, act=act, *, number):
        of = f"{name}_conv{number}"
        return unit(x, filters, kernel, stride, act=act, names=(f"{of}_conv", f"{of}_bn"))

    f = step(x, width, 1, number=1)
    if attends:
        f = attend(f, stride, scale_distances=scale_distances, name=f"{name}_self_attn")
        f = norm(f, name=f"{name}_post_attn")
        f = keras.layers.Activation(act, name=f"{name}_post_attn_{act}")(f)
    else:
        f = step(f, width, 3, stride, number=2)
    f = step(f, 4 * width, 1, act=None, number=3)
    total = keras.layers.Add(name=f"{name}_add")([shortcut, f])
    return keras.layers.Activation(act, name=f"{name}_{act}")(total)


def botnet(x, *, stem, attends, act="relu", scale_distances=True, classes, widths):
    """ResNet-50 with attention in some of its blocks.

    Args:
        x: images, (batch, height, width, channels).
        stem: (filters, kernel, stride) of each convolution before the pool.
        attends: for each stage, whether each of its blocks attends.
        act: name of the activation.
        scale_distances: see `attend`.
        widths: multipliers of the four stages; the first scales the stem too.
    """
    for i, (filters, kernel, stride) in enumerate(stem, 1):
        names = f"stem_conv{i}_conv", f"stem_conv{i}_bn"
        x = unit(x, scaled(filters, widths[0]), kernel, stride, act=act, names=names)
    x = max_pool(x, 3, 2, pad=1, signed=act != "relu", name="stem_pool")
    for stage, row in enumerate(attends):
        for i, attending in enumerate(row):
            x = block(
                x, scaled(64 * 2**stage, widths[stage]), 2 if stage and i == 0 else 1,
                attends=attending, act=act, scale_distances=scale_distances,
                name=f"stages_{stage}_{i}",
            )  # fmt: skip
    return classifier(x, classes, name="head_fc") if classes else x


paper = {"paper": "arXiv:2101.11605", "year": 2021, "stages": 4}
variant = register(botnet, **paper)
variant(
    "botnet50", 20_852_008, 4_024_557_568, stem=((64, 7, 2),),
    attends=((False,) * 3, (False,) * 4, (False,) * 6, (True,) * 3),
)  # fmt: skip
names = (("_conv([123])_(1x1|kxk)_", r"_conv\1_"),)
variant = register(botnet, input_shape=(256, 256, 3), renames=names, **paper)
variant(
    "botnet50ts_256", 22_742_688, 5_511_725_056, act="silu", scale_distances=False,
    stem=((24, 3, 2), (32, 3, 1), (64, 3, 1)),
    attends=(
        (False,) * 3, (False, False, False, True),
        (False, True) * 3, (False, True, False),
    ),
)  # fmt: skip
