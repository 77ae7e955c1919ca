"""MnasNet: inverted residuals whose kernels, depths and gates a search chose on a phone's clock.

Tan, Chen, Pang, Vasudevan, Sandler, Howard and Le 2018, MnasNet: Platform-Aware Neural
Architecture Search for Mobile, arXiv:1807.11626 (figure 7; B1 is the search without gates).

`mnasnet1_0` is B1 with torchvision's layer names, `mnasnet_a1` bears those of timm's semnasnet.
Moving statistics have the momentum of `blocks.norm`; torchvision's move 300 times slower.
"""

from keras_cnns.blocks import classifier, scaled
from keras_cnns.models.mobilenet import inverted_residual, unit
from keras_cnns.registry import register

# Expansion, kernel, stride of the first, filters, blocks, whether gated.
B1 = (
    (3, 3, 2, 24, 3, False),
    (3, 5, 2, 40, 3, False),
    (6, 5, 2, 80, 3, False),
    (6, 3, 1, 96, 2, False),
    (6, 5, 2, 192, 4, False),
    (6, 3, 1, 320, 1, False),
)
A1 = (
    (6, 3, 2, 24, 2, False),
    (3, 5, 2, 40, 3, True),
    (6, 3, 2, 80, 4, False),
    (6, 3, 1, 112, 2, True),
    (6, 5, 2, 160, 3, True),
    (6, 3, 1, 320, 1, False),
)


def mnasnet(x, *, stages, names, classes, widths):
    """A separable convolution, six stages of inverted residuals, and a wide 1x1 convolution.

    Args:
        x: images, (batch, height, width, channels).
        stages: B1 or A1.
        names: of the stem's three units, of a stage's block as a pattern, and of the last unit.
        widths: multipliers of the stem, the six stages and the last convolution.
    """
    first, look, mix, block, last = names
    x = unit(x, scaled(32, widths[0]), 3, 2, act="relu", names=first)
    x = unit(x, None, 3, act="relu", names=look)
    x = unit(x, scaled(16, widths[0]), names=mix)
    for stage, (expansion, kernel, stride, filters, depth, gated) in enumerate(stages):
        for i in range(depth):
            gate = {"narrow": max(1, x.shape[-1] // 4), "squeeze": "reduce", "excite": "expand"}
            x = inverted_residual(
                x,
                scaled(filters, widths[stage + 1]),
                stride if i == 0 else 1,
                expanded=expansion * x.shape[-1],
                kernel=kernel,
                act="relu",
                gate=gate if gated else None,
                name=block.format(stage, i),
            )
    x = unit(x, scaled(1280, widths[-1]), act="relu", names=last)
    return classifier(x, classes, dropout=0.2, name="classifier") if classes else x


def numbered(first):
    """Names of a convolution and a normalization that are torch modules of their own."""
    return f"layers_{first}", f"layers_{first + 1}"


# torchvision's stages begin at module 8 and have an activation between the numbers.
B1_NAMES = (numbered(0), numbered(3), numbered(6), "stage_{}_{}", numbered(14))
B1_RENAMES = (
    *((f"^layers_{8 + i}_(\\d)_layers_", rf"stage_{i}_\1_") for i in range(6)),
    *((rf"^(stage_\d_\d)_{3 * i + j}$", rf"\1_{i}_{j}") for i in range(3) for j in range(2)),
    ("^classifier_1$", "classifier"),
)
# timm's first stage is the separable convolution.
TIMM_STAGES = (
    *((f"^blocks_{i + 1}_", f"stage_{i}_") for i in range(6)),
    (r"^(stage.*)_conv_pw$", r"\1_0_0"), (r"^(stage.*)_bn1$", r"\1_0_1"),
    (r"^(stage.*)_conv_dw$", r"\1_1_0"), (r"^(stage.*)_bn2$", r"\1_1_1"),
)  # fmt: skip
UNGATED = (r"_conv_pwl$", "_2_0"), (r"_bn3$", "_2_1")
B1_RENAMES += (
    ("^conv_stem$", "layers_0"), ("^bn1$", "layers_1"),
    ("^blocks_0_0_conv_dw$", "layers_3"), ("^blocks_0_0_bn1$", "layers_4"),
    ("^blocks_0_0_conv_pw$", "layers_6"), ("^blocks_0_0_bn2$", "layers_7"),
    *TIMM_STAGES, *UNGATED, ("^conv_head$", "layers_14"), ("^bn2$", "layers_15"),
)  # fmt: skip
A1_NAMES = (("conv_stem", "bn1"), ("look", "look_bn"), ("mix", "mix_bn"), "stage_{}_{}",
            ("conv_head", "bn2"))  # fmt: skip
A1_RENAMES = (
    ("^blocks_0_0_conv_dw$", "look"), ("^blocks_0_0_bn1$", "look_bn"),
    ("^blocks_0_0_conv_pw$", "mix"), ("^blocks_0_0_bn2$", "mix_bn"),
    *TIMM_STAGES, (r"_se_conv_", "_2_"),
    (r"^(stage_[134].*)_conv_pwl$", r"\1_3_0"), (r"^(stage_[134].*)_bn3$", r"\1_3_1"),
    *UNGATED,
)  # fmt: skip

paper = {"paper": "arXiv:1807.11626", "year": 2018, "stages": 8}
variant = register(mnasnet, renames=B1_RENAMES, **paper)
variant("mnasnet1_0", 4_383_312, 314_415_872, stages=B1, names=B1_NAMES)
variant = register(mnasnet, renames=A1_RENAMES, **paper)
variant("mnasnet_a1", 3_887_038, 311_579_072, stages=A1, names=A1_NAMES)
