"""ResNet and its relatives: blocks that learn a correction to their input, y = x + f(x).

He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition, arXiv:1512.03385
(table 1; section 4.2 for CIFAR-10). The same 2016, Identity Mappings in Deep Residual Networks,
arXiv:1603.05027 (figure 4: the five flavours). Zagoruyko and Komodakis 2016, Wide Residual
Networks, arXiv:1605.07146. Xie et al. 2016, Aggregated Residual Transformations for Deep Neural
Networks (ResNeXt), arXiv:1611.05431.

Plain names stride in the 3x3 convolution of a bottleneck ("v1.5", as torchvision and most trained
weights do); `_v1` strides in the first 1x1, as the paper. `resnet50_v2` and its sisters stride
there too, with a normalized stem (pytorchcv's preresnet); `resnetv2_50` is timm's: v1.5 strides
and a bare stem. The CIFAR networks use the paper's option A, a shortcut of zeros. `plain` names
are the first paper's counterparts without any shortcut (figure 3, middle; table 2, figure 6).

`_small`, for images of 32 to 64 pixels: the stem of CIFAR, one 3x3 convolution with neither stride
nor pool, on the ImageNet stages; 32 pixels end as 4.
"""

from keras_cnns.blocks import classifier, conv, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

# Where normalization (n) and ReLU (r) stand: arXiv:1603.05027, figure 4.
FLAVOURS = {
    #                           before     after      after     after
    #                           each conv  each conv  the last  the sum
    "original":                ("",        "nr",      "n",      "r"),
    "bn_after_addition":       ("",        "nr",      "",       "nr"),
    "relu_before_addition":    ("",        "nr",      "nr",     ""),
    "relu_only_pre_activation": ("r",      "n",       "n",      ""),
    "full_pre_activation":     ("nr",      "",        "",       ""),
}  # fmt: skip


def activate(x, letters, *, name):
    """Normalize and rectify x as `letters` spell; name is a pattern such as "layer1_0_{}1"."""
    for letter in letters:
        x = norm(x, name=name.format("bn")) if letter == "n" else relu(x, name=name.format("relu"))
    return x


def basic(width, stride, **_):
    """Two 3x3 convolutions, each as (filters, kernel, stride, groups)."""
    return [(width, 3, stride, 1), (width, 3, 1, 1)]


def bottleneck(width, stride, *, groups=1, group_width=64, stride_in_1x1=False, expansion=4):
    """1x1 to narrow, 3x3 to look around, 1x1 to widen again."""
    # Cardinality stays, each group grows with the stage.
    inner = max(1, width * group_width // 64) * groups
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    return [(inner, 1, first, 1), (inner, 3, second, groups), (expansion * width, 1, 1, 1)]


def wide_grouped(width, stride, *, groups):
    """The block of SENet-154: twice the channels, then four times in 64 groups."""
    inner, outer = (max(1, n * width // groups) * groups for n in (2, 4))
    return [(inner, 1, 1, 1), (outer, 3, stride, groups), (4 * width, 1, 1, 1)]


def zero_shortcut(x, filters, stride, *, name):
    """Option A: every other pixel, and channels of zeros on both sides; no parameters."""
    x = keras.layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(x) if stride > 1 else x
    missing = filters - x.shape[-1]
    if missing < 0:
        raise ValueError(
            f"{name}: a shortcut of zeros adds channels, it cannot make {filters} of {x.shape[-1]}"
        )
    sides = (missing // 2, missing - missing // 2)
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), sides)) if missing else x


def projected(x, filters, stride, *, kernel, average, normed, name):
    """A shortcut of another shape, by a convolution.

    Args:
        kernel: its side, where it strides.
        average: the mean of each two by two pixels strides, not the convolution.
        normed: whether it is normalized.
    """
    if average and stride > 1:
        # "same" leaves what lies outside out of the mean, as torch does when it rounds up.
        x = keras.layers.AveragePooling2D(2, stride, "same", name=f"{name}_downsample_pool")(x)
        stride = 1
    x = conv(x, filters, kernel if stride > 1 else 1, stride, name=f"{name}_downsample_0")
    return norm(x, name=f"{name}_downsample_1") if normed else x


def residual(x, convolutions, *, flavour, gate, option_a, plain, name, **shortcut_options):
    """One block: x + f(x), where f is the convolutions and x is projected if f changes shape.

    A plain one is f(x) alone.
    """
    before, after, after_last, after_sum = FLAVOURS[flavour]
    filters = convolutions[-1][0]
    stride = max(stride for _, _, stride, _ in convolutions)
    shortcut = x
    f = activate(x, before, name=f"{name}_{{}}1")
    if not plain and (stride > 1 or x.shape[-1] != filters):
        if option_a:
            shortcut = zero_shortcut(x, filters, stride, name=name)
        else:
            # A pre-activated block projects what it has normalized (figure 4e and its code).
            shortcut = projected(
                f if "n" in before else x, filters, stride, normed="n" in after_last, name=name,
                **shortcut_options,
            )  # fmt: skip
    for i, convolution in enumerate(convolutions, 1):
        if i > 1:
            f = activate(f, before, name=f"{name}_{{}}{i}")
        out, side, step, groups = convolution
        f = conv(f, out, side, step, groups=groups, name=f"{name}_conv{i}")
        last = i == len(convolutions)
        f = activate(f, after_last if last else after, name=f"{name}_{{}}{i}")
    if gate:
        f = gate(f, name=name)
    total = f if plain else keras.layers.Add(name=f"{name}_add")([shortcut, f])
    return activate(total, after_sum, name=f"{name}_{{}}_add")


def stem(x, width, letters, *, deep, caffe, small):
    """The first layers: 7x7 and a pool, both strided.

    Args:
        width: channels.
        letters: what follows the convolution, as `activate` reads it.
        deep: three 3x3 for the 7x7, the last with twice the channels.
        caffe: the pool of Caffe, which has no padding and may stick out.
        small: 3x3 for the 7x7, and nothing strided or pooled.
    """
    stride = 1 if small else 2
    if deep:
        for i, (filters, step) in enumerate(((width, stride), (width, 1), (2 * width, 1)), 1):
            x = conv(x, filters, 3, step, name=f"conv{i}")
            x = activate(x, letters, name=f"{{}}{i}")
    else:
        x = conv(x, width, 3 if small else 7, stride, name="conv1")
        x = activate(x, letters, name="{}1")
    if small:
        return x
    if caffe:
        return max_pool(x, 3, 2, ceil=True, name="maxpool")
    return max_pool(x, 3, 2, pad=1, signed="r" not in letters, name="maxpool")


def resnet(
    x, *, block, depths, classes, widths, flavour="original", first=64, base=None, deep=False,
    caffe=False, small=False, stem_letters=None, gate=None, between=None, option_a=False,
    plain=False, kernel=1, average=False, dropout=0.0, **options,
):  # fmt: skip
    """A stem, then stages of residual blocks that halve the image and double its depth.

    Args:
        x: images, (batch, height, width, channels).
        block: basic, bottleneck or wide_grouped.
        depths: blocks in each stage; stage i has base * 2**i channels before widening.
        flavour: a key of FLAVOURS.
        first: channels of the stem.
        base: channels of the first stage; default, those of the stem.
        deep, caffe, small: see `stem`; small is for images of 32 pixels.
        stem_letters: what follows the stem's convolution; default, what the flavour says.
        gate: applied to f before the sum, as gate(f, name=block); None, nothing.
        between: the same, applied to the output of each stage but the last.
        option_a: shortcuts of zeros, not projections.
        plain: no shortcuts at all.
        kernel, average: see `projected`.
        dropout: share of features dropped before the classifier.
        options: passed to block: groups, group_width, stride_in_1x1, expansion.
    """
    before, after, *_ = FLAVOURS[flavour]
    letters = after if stem_letters is None else stem_letters
    x = stem(x, scaled(first, widths[0]), letters, deep=deep, caffe=caffe, small=small)
    for stage, depth in enumerate(depths):
        if between and stage:
            x = between(x, name=f"layer{stage + 1}_0")
        width = scaled((base or first) * 2**stage, widths[stage])
        for i in range(depth):
            convolutions = block(width, 2 if stage > 0 and i == 0 else 1, **options)
            x = residual(
                x, convolutions, flavour=flavour, gate=gate, option_a=option_a, plain=plain,
                kernel=kernel, average=average, name=f"layer{stage + 1}_{i}",
            )  # fmt: skip
    x = activate(x, before, name="last_{}")
    return classifier(x, classes, dropout=dropout, name="fc") if classes else x


TWO = {"block": basic, "depths": (2, 2, 2, 2)}
FOUR = {"block": basic, "depths": (3, 4, 6, 3)}
FIFTY = {"block": bottleneck, "depths": (3, 4, 6, 3)}
HUNDRED = {"block": bottleneck, "depths": (3, 4, 23, 3)}
MORE = {"block": bottleneck, "depths": (3, 8, 36, 3)}

# pytorchcv's names; torch's own are ours.
PYTORCHCV = (
    (r"^features_init_block(_conv){0,2}$", "conv1"),
    (r"^features_init_block(_conv)?_bn$", "bn1"),
    (r"^features_stage(\d)_unit(\d+)_(body_)?", lambda m: f"layer{m[1]}_{int(m[2]) - 1}_"),
    (r"^(layer.*)_conv(\d)_(conv|bn)$", r"\1_\3\2"),
    ("_identity_conv(_conv)?$", "_downsample_0"),
    ("_identity_conv_bn$", "_downsample_1"),
    ("^features_post_activ_bn$", "last_bn"),
    ("^output$", "fc"),
)

variant = register(resnet, paper="arXiv:1512.03385", year=2015, stages=4, renames=PYTORCHCV)
variant("resnet18", 11_689_512, 1_814_073_344, **TWO)
variant("resnet34", 21_797_672, 3_663_761_408, **FOUR)
variant("resnet50", 25_557_032, 4_089_184_256, **FIFTY)
variant("resnet101", 44_549_160, 7_801_405_440, **HUNDRED)
variant("resnet152", 60_192_808, 11_513_626_624, **MORE)
variant("resnet50_v1", 25_557_032, 3_857_973_248, stride_in_1x1=True, **FIFTY)
variant("resnet101_v1", 44_549_160, 7_570_194_432, stride_in_1x1=True, **HUNDRED)
variant("resnet152_v1", 60_192_808, 11_282_415_616, stride_in_1x1=True, **MORE)
variant("plain18", 11_515_688, 1_794_805_760, plain=True, **TWO)
variant("plain34", 21_623_848, 3_644_493_824, plain=True, **FOUR)
variant("resnet18_small", 11_173_962, 555_422_720, small=True, **TWO)
variant("resnet50_small", 23_520_842, 1_297_829_888, small=True, **FIFTY)

variant = register(
    resnet, paper="arXiv:1512.03385", year=2015, stages=3, renames=(("^linear$", "fc"),)
)
cifar = {"block": basic, "small": True, "first": 16, "option_a": True}
variant("resnet20_cifar", 269_722, 40_551_040, depths=(3, 3, 3), **cifar)
variant("resnet32_cifar", 464_154, 68_862_592, depths=(5, 5, 5), **cifar)
variant("resnet44_cifar", 658_586, 97_174_144, depths=(7, 7, 7), **cifar)
variant("resnet56_cifar", 853_018, 125_485_696, depths=(9, 9, 9), **cifar)
variant("resnet110_cifar", 1_727_962, 252_887_680, depths=(18, 18, 18), **cifar)
for layers, params, macs in (  # shortcuts of zeros cost nothing, so that all is as above
    (20, 269_722, 40_551_040),
    (32, 464_154, 68_862_592),
    (44, 658_586, 97_174_144),
    (56, 853_018, 125_485_696),
    (110, 1_727_962, 252_887_680),
):
    variant(f"plain{layers}_cifar", params, macs, plain=True,
            depths=((layers - 2) // 6,) * 3, **cifar)  # fmt: skip

variant = register(resnet, paper="arXiv:1603.05027", year=2016, stages=3, renames=PYTORCHCV)
for flavour in FLAVOURS:  # each has a normalization less here and one more there
    variant(f"resnet110_cifar_{flavour}", 1_727_962, 252_887_680,
            flavour=flavour, depths=(18, 18, 18), **cifar)  # fmt: skip

variant = register(resnet, paper="arXiv:1603.05027", year=2016, stages=4, renames=PYTORCHCV)
for flavour, params in (
    ("bn_after_addition", 25_549_352),
    ("relu_before_addition", 25_557_032),
    ("relu_only_pre_activation", 25_557_032),
    ("full_pre_activation", 25_549_352),
):
    variant(f"resnet50_{flavour}", params, 4_089_184_256, flavour=flavour, **FIFTY)
v2 = {"flavour": "full_pre_activation", "stem_letters": "nr", "stride_in_1x1": True}
variant("resnet18_v2", 11_687_848, 1_814_073_344, **TWO, **v2)
variant("resnet34_v2", 21_796_008, 3_663_761_408, **FOUR, **v2)
variant("resnet50_v2", 25_549_480, 3_857_973_248, **FIFTY, **v2)
variant("resnet101_v2", 44_541_608, 7_570_194_432, **HUNDRED, **v2)
variant("resnet152_v2", 60_185_256, 11_282_415_616, **MORE, **v2)
variant("resnet200_v2", 64_666_280, 15_007_481_856, block=bottleneck, depths=(3, 24, 36, 3),
        flavour="full_pre_activation", stem_letters="nr")  # fmt: skip
variant("resnet50_v2_small", 23_513_290, 1_222_332_416, small=True, **FIFTY, **v2)

timm = (
    *((f"^stages_{i}_blocks_", f"layer{i + 1}_") for i in range(4)),
    (r"^(layer\d_\d+)_norm", r"\1_bn"),
    ("_downsample_conv$", "_downsample_0"),
    ("^stem_conv$", "conv1"),
    ("^norm$", "last_bn"),
    ("^head_fc$", "fc"),
)
half = {"scale": 1 / 127.5, "offset": -1.0}
variant = register(
    resnet, paper="arXiv:1603.05027", year=2016, stages=4, renames=timm, **half
)  # fmt: skip
variant("resnetv2_50", 25_549_352, 4_089_184_256, flavour="full_pre_activation", **FIFTY)
variant("resnetv2_101", 44_541_480, 7_801_405_440, flavour="full_pre_activation", **HUNDRED)
variant("resnetv2_152", 60_185_128, 11_513_626_624, flavour="full_pre_activation", **MORE)

variant = register(resnet, paper="arXiv:1605.07146", year=2016, stages=4)
variant("wide_resnet50_2", 68_883_240, 11_398_021_120, group_width=128, **FIFTY)
variant("wide_resnet101_2", 126_886_696, 22_753_050_624, group_width=128, **HUNDRED)
variant("wide_resnet50_2_small", 66_847_050, 3_684_388_864, group_width=128, small=True, **FIFTY)

variant = register(resnet, paper="arXiv:1605.07146", year=2016, stages=3, renames=PYTORCHCV)
for depth, widen, params, macs in (
    (16, 4, 2_748_890, 392_612_352),
    (16, 8, 10_961_370, 1_548_145_664),
    (22, 8, 17_158_106, 2_454_115_328),
    (28, 10, 36_479_194, 5_243_328_768),
    (40, 1, 563_930, 83_280_512),
    (40, 2, 2_243_546, 327_599_360),
    (40, 4, 8_949_210, 1_298_582_016),
    (40, 8, 35_748_314, 5_172_024_320),
):
    variant(f"wrn_{depth}_{widen}_cifar", params, macs, block=basic, small=True, first=16,
            base=16 * widen, depths=((depth - 4) // 6,) * 3,
            flavour="full_pre_activation")  # fmt: skip

variant = register(resnet, paper="arXiv:1611.05431", year=2016, stages=4)
variant("resnext50_32x4d", 25_028_904, 4_230_479_872, groups=32, group_width=4, **FIFTY)
variant("resnext101_32x4d", 44_177_704, 7_969_996_800, groups=32, group_width=4, **HUNDRED)
variant("resnext101_64x4d", 83_455_272, 15_460_270_080, groups=64, group_width=4, **HUNDRED)
variant("resnext101_32x8d", 88_791_336, 16_414_015_488, groups=32, group_width=8, **HUNDRED)
variant("resnext50_32x4d_small", 22_992_714, 1_343_967_232,
        groups=32, group_width=4, small=True, **FIFTY)  # fmt: skip

variant = register(resnet, paper="arXiv:1611.05431", year=2016, stages=3, renames=PYTORCHCV)
variant("resnext29_16x64d_cifar", 68_155_210, 10_688_866_304, block=bottleneck, small=True,
        depths=(3, 3, 3), groups=16, group_width=64)  # fmt: skip
