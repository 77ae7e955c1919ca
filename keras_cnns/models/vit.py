"""ViT: an image as a sentence of patches, read by a transformer.

Dosovitskiy et al. 2020, An Image is Worth 16x16 Words: Transformers for Image Recognition at
Scale, arXiv:2010.11929 (table 1; equations 1 to 4). Layer names are torchvision's, and the
checkpoints of timm come in too. Dropout, which the paper has from scratch alone, is left out.

Two of its parts are learned and see no image: the class token and the position of each patch.
Each is a stock Embedding, looked up by numbers made of the tokens' own shape. The network thus
opens without our code, its parameters are the reference's to the last one, and at export both
become constants.
"""

from keras_cnns.blocks import attention, conv, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

HEAD = 64  # channels of one head; a wider network has more heads


def layer_norm(x, *, name):
    """Layer normalization with the epsilon of the paper's code."""
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def learned(like, count, spread, *, name):
    """`count` learned vectors for each image, (batch, count, channels).

    Args:
        like: tokens, (batch, at least count, channels).
        spread: standard deviation of the drawn vectors; 0, zeros.
    """
    numbers = keras.ops.cumsum(keras.ops.ones_like(like[:, :count, 0], dtype="int32"), axis=1) - 1
    draw = keras.initializers.RandomNormal(stddev=spread) if spread else "zeros"
    return keras.layers.Embedding(count, like.shape[-1], draw, name=name)(numbers)


def encoder_layer(x, hidden, *, name):
    """Attention, then two dense layers; each is normalized first and added to what it read."""
    channels = x.shape[-1]
    y = layer_norm(x, name=f"{name}_ln_1")
    y = keras.layers.Dense(3 * channels, name=f"{name}_self_attention_in_proj")(y)
    q, k, v = keras.ops.split(y, 3, axis=-1)
    y = attention(q, k, v, heads=channels // HEAD, name=f"{name}_self_attention")
    y = keras.layers.Dense(channels, name=f"{name}_self_attention_out_proj")(y)
    x = keras.layers.Add(name=f"{name}_attended")([x, y])
    y = layer_norm(x, name=f"{name}_ln_2")
    y = keras.layers.Dense(hidden, name=f"{name}_mlp_0")(y)
    y = keras.layers.Activation("gelu", name=f"{name}_mlp_1")(y)
    y = keras.layers.Dense(channels, name=f"{name}_mlp_3")(y)
    return keras.layers.Add(name=f"{name}_added")([x, y])


def vit(x, *, patch, depth, channels, classes, widths):
    """Patches to tokens, a class token before them, encoder layers, and the class token's logits.

    Args:
        x: images, (batch, height, width, channels). Rows and columns over the last whole patch
            are not seen.
        patch: its side in pixels.
        depth: encoder layers.
        channels: of a token, a multiple of HEAD.
        widths: multipliers of the tokens' channels and of those between the dense layers.
    """
    hidden = scaled(4 * channels, widths[1])
    channels = scaled(channels, widths[0], HEAD)
    x = conv(x, channels, patch, patch, bias=True, pad=0, name="conv_proj")
    height, width = x.shape[1:3]
    x = keras.layers.Reshape((height * width, channels), name="tokens")(x)
    token = learned(x, 1, 0, name="class_token")
    x = keras.layers.Concatenate(axis=1, name="sentence")([token, x])
    places = learned(x, 1 + height * width, 0.02, name="encoder_pos_embedding")
    x = keras.layers.Add(name="placed")([x, places])
    for i in range(depth):
        x = encoder_layer(x, hidden, name=f"encoder_layers_encoder_layer_{i}")
    x = layer_norm(x, name="encoder_ln")
    if not classes:
        return keras.layers.Reshape((height, width, channels), name="map")(x[:, 1:])
    return keras.layers.Dense(classes, name="heads_head")(x[:, 0])


# timm's names, and those of torchvision's published files; torchvision's own are ours.
RENAMES = (
    ("_mlp_linear_1$", "_mlp_0"), ("_mlp_linear_2$", "_mlp_3"),
    ("^cls_token$", "class_token"), ("^pos_embed$", "encoder_pos_embedding"),
    ("^patch_embed_proj$", "conv_proj"),
    (r"^blocks_(\d+)_", r"encoder_layers_encoder_layer_\1_"), (r"_norm([12])$", r"_ln_\1"),
    ("_attn_qkv$", "_self_attention_in_proj"), ("_attn_proj$", "_self_attention_out_proj"),
    ("_mlp_fc1$", "_mlp_0"), ("_mlp_fc2$", "_mlp_3"),
    ("^norm$", "encoder_ln"), ("^head$", "heads_head"),
)  # fmt: skip

paper = {"paper": "arXiv:2010.11929", "year": 2020, "stages": 2, "renames": RENAMES}
for patch, name, params, macs, depth, channels in (
    (16, "vit_b_16", 86_567_656, 17_563_828_224, 12, 768),
    (32, "vit_b_32", 88_224_232, 4_409_186_304, 12, 768),
    (16, "vit_l_16", 304_326_632, 61_554_712_576, 24, 1024),
):
    variant = register(vit, **paper)
    variant(name, params, macs, smallest=patch, patch=patch, depth=depth, channels=channels)
