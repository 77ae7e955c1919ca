"""Attention by its equations: numpy in place of layers, and what must not change its result."""

import keras
import numpy as np
import pytest

import keras_cnns
from export import freeze, graph, models, tflite
from keras_cnns import blocks, weights
from keras_cnns.models import attention, botnet, vit
from tests.test_export import settle


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def set_all(model, seed=1):
    """Draw every weight, so that none is at a neutral start."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1.2, weight.shape))


def test_attention_is_equation_1():
    inputs = [keras.Input((5, 12)) for _ in range(3)]
    model = keras.Model(inputs, blocks.attention(*inputs, heads=3, name="a"))
    q, k, v = (drawn(2, 5, 12, seed=i) for i in range(3))

    def heads(x):
        return x.reshape(2, 5, 3, 4).transpose(0, 2, 1, 3)

    shares = softmax(heads(q) @ heads(k).swapaxes(-1, -2) / 2)
    expected = (shares @ heads(v)).transpose(0, 2, 1, 3).reshape(2, 5, 12)
    np.testing.assert_allclose(model.predict([q, k, v], verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("height, width", [(3, 4), (4, 4), (1, 5), (2, 1)])
def test_relative_positions_are_sums_of_row_and_column_distances(height, width):
    heads, depth = 2, 6
    q = keras.Input((heads, height * width, depth))
    bias = botnet.relative_positions(height, width, rescale=3.0, name="p")
    model = keras.Model(q, bias(q))
    queries = drawn(2, heads, height * width, depth)
    rows = drawn(2 * height - 1, depth, seed=1)
    columns = drawn(2 * width - 1, depth, seed=2)
    model.get_layer("p_height_rel").set_weights([rows.T])
    model.get_layer("p_width_rel").set_weights([columns.T])
    expected = np.zeros((2, heads, height * width, height * width))
    for i in range(height * width):
        for j in range(height * width):
            down, right = j // width - i // width, j % width - i % width
            vector = rows[down + height - 1] + columns[right + width - 1]
            expected[:, :, i, j] = 3.0 * queries[:, :, i] @ vector
    np.testing.assert_allclose(model.predict(queries, verbose=0), expected, atol=1e-4)


@pytest.mark.parametrize("side", [1, 33, 65])
def test_a_bottleneck_transformer_takes_any_size(side):
    variant = keras_cnns.VARIANTS["botnet50"]
    image = keras.Input((side, side + 2, 3))
    logits = variant.builder(image, classes=2, widths=(0.25,) * 4, **variant.spec)
    assert logits.shape == (None, 2)


def test_a_transformer_without_positions_does_not_see_the_order_of_patches():
    image = keras.Input((8, 8, 3))
    logits = vit.vit(image, patch=4, depth=2, channels=64, classes=5, widths=(1, 1))
    model = keras.Model(image, logits)
    set_all(model)
    images = drawn(1, 8, 8, 3)
    turned = np.concatenate([images[:, 4:], images[:, :4]], axis=1)  # two rows of patches, swapped
    places = model.get_layer("encoder_pos_embedding")
    assert np.abs(model(images) - model(turned)).max() > 1e-3
    places.set_weights([np.zeros((5, 64))])
    np.testing.assert_allclose(model(images), model(turned), rtol=1e-4)


def test_learned_vectors_are_the_same_for_every_image_and_are_trained():
    tokens = keras.Input((4, 6))
    model = keras.Model(tokens, vit.learned(tokens, 3, 0.02, name="places"))
    answers = model.predict(drawn(2, 4, 6), verbose=0)
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], model.get_layer("places").embeddings)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(drawn(2, 4, 6), np.ones((2, 3, 6)), verbose=0)
    assert (model.get_layer("places").embeddings.numpy() > answers[0]).all()


@pytest.mark.parametrize(
    "channels, taps", [(16, 3), (64, 3), (256, 5), (512, 5), (1024, 5), (2048, 7)]
)
def test_eca_looks_at_as_many_neighbours_as_equation_12_says(channels, taps):
    assert attention.taps(channels) == taps


def test_eca_gates_a_channel_by_the_means_of_its_neighbours():
    image = keras.Input((4, 4, 16))
    model = keras.Model(image, attention.eca(image, name="b"))
    kernel = np.array([0.5, -1.0, 2.0], "float32")
    model.get_layer("b_se_conv").set_weights([kernel.reshape(3, 1, 1, 1)])
    x = drawn(2, 4, 4, 16)
    means = np.pad(x.mean(axis=(1, 2)), ((0, 0), (1, 1)))
    scores = sum(kernel[i] * means[:, i : i + 16] for i in range(3))
    expected = x / (1 + np.exp(-scores))[:, None, None]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def dense(layer, x):
    kernel, bias = layer.get_weights()
    return x @ kernel[0, 0] + bias


def test_cbam_gates_channels_by_equation_2():
    image = keras.Input((6, 6, 32))
    model = keras.Model(image, attention.cbam(image, name="b"))
    set_all(model)
    x = drawn(2, 6, 6, 32)

    def mlp(pooled):
        hidden = np.maximum(dense(model.get_layer("b_cbam_ch_gate_mlp_fc1"), pooled), 0)
        return dense(model.get_layer("b_cbam_ch_gate_mlp_fc2"), hidden)

    scores = mlp(x.mean(axis=(1, 2))) + mlp(x.max(axis=(1, 2)))
    found = keras.Model(image, model.get_layer("b_cbam_ch_gate").output).predict(x, verbose=0)
    np.testing.assert_allclose(found[:, 0, 0], 1 / (1 + np.exp(-scores)), atol=1e-5)
    scaled = keras.Model(image, model.get_layer("b_cbam_ch_scale").output).predict(x, verbose=0)
    pooled = keras.Model(image, model.get_layer("b_cbam_sp_pooled").output).predict(x, verbose=0)
    expected = np.stack([scaled.max(axis=-1), scaled.mean(axis=-1)], axis=-1)
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_bam_never_takes_away_and_at_most_doubles():
    image = keras.Input((8, 8, 32))
    model = keras.Model(image, attention.bam(image, name="b"))
    set_all(model)
    x = np.abs(drawn(2, 8, 8, 32)) + 0.1
    ratio = model.predict(x, verbose=0) / x
    assert ratio.min() >= 1 - 1e-6
    assert ratio.max() <= 2 + 1e-6


TORCHVISION = "encoder.layers.encoder_layer_{}."
TIMM = {
    "class_token": "cls_token", "encoder.pos_embedding": "pos_embed",
    "conv_proj.": "patch_embed.proj.", "ln_1.": "norm1.", "ln_2.": "norm2.",
    "self_attention.in_proj_": "attn.qkv.", "self_attention.out_proj.": "attn.proj.",
    "mlp.0.": "mlp.fc1.", "mlp.3.": "mlp.fc2.", "encoder.ln.": "norm.", "heads.head.": "head.",
}  # fmt: skip


@pytest.mark.parametrize("dialect", ["torchvision", "published", "timm"])
def test_checkpoints_of_three_dialects_fill_a_transformer(dialect):
    variant = keras_cnns.VARIANTS["vit_b_32"]
    image = keras.Input((64, 64, 3))
    spec = variant.spec | {"channels": 128, "depth": 2}
    model = keras.Model(image, variant.builder(image, classes=3, widths=(1, 1), **spec))
    shapes = {
        "class_token": (1, 1, 128), "encoder.pos_embedding": (1, 5, 128),
        "conv_proj.weight": (128, 3, 32, 32), "conv_proj.bias": (128,),
        "encoder.ln.weight": (128,), "encoder.ln.bias": (128,),
        "heads.head.weight": (3, 128), "heads.head.bias": (3,),
    }  # fmt: skip
    for i in range(2):
        for name, shape in {
            "ln_1.": (128,), "ln_2.": (128,), "self_attention.in_proj_": (384, 128),
            "self_attention.out_proj.": (128, 128), "mlp.0.": (512, 128), "mlp.3.": (128, 512),
        }.items():  # fmt: skip
            shapes[TORCHVISION.format(i) + name + "weight"] = shape
            shapes[TORCHVISION.format(i) + name + "bias"] = shape[:1]
    checkpoint = {name: drawn(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}

    def renamed(name):
        if dialect == "published":
            return name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.")
        if dialect == "timm":
            for i in range(2):
                name = name.replace(TORCHVISION.format(i), f"blocks.{i}.")
            for ours, theirs in TIMM.items():
                name = name.replace(ours, theirs)
        return name

    names = {renamed(name): array for name, array in checkpoint.items()}
    assert weights.copy(model, names, variant.renames) == []
    kernel = model.get_layer("encoder_layers_encoder_layer_1_mlp_0").kernel
    expected = checkpoint[TORCHVISION.format(1) + "mlp.0.weight"].T
    np.testing.assert_array_equal(kernel, expected)
    token = model.get_layer("class_token").embeddings
    np.testing.assert_array_equal(token, checkpoint["class_token"][0])
    assert weights.head_classes(names, model, variant.renames) == 3


SMALL = {  # what is changed of each network, so that it is converted in seconds
    "eca_resnet50": {"depths": (1, 1, 1, 1)},
    "cbam_resnet50": {"depths": (1, 1, 1, 1)},
    "bam_resnet50": {"depths": (1, 1, 1, 1)},
    "botnet50": {"attends": ((False,), (False,), (False,), (True, True))},
    "botnet50ts_256": {"attends": ((False,), (False, True), (True,), (True,))},
    "vit_b_32": {"depth": 2, "channels": 128},
}


@pytest.mark.parametrize("name", SMALL)
def test_attention_becomes_all_integer_and_answers_alike(name, tmp_path):
    """Neither softmax, nor products of activations, nor layer normalization compute in float."""
    keras.utils.set_random_seed(0)
    variant = keras_cnns.VARIANTS[name]
    image = keras.Input((64, 64, 3))
    widths = (0.25,) * variant.stages if variant.stages == 4 else (1, 1)
    x = keras.layers.Rescaling(1 / 64, -2.0)(image)
    logits = variant.builder(x, classes=3, widths=widths, **variant.spec | SMALL[name])
    model = keras.Model(image, logits)
    images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    settle(model, images)
    freeze.Frozen(model).save(tmp_path, batch=1)
    conversion = tflite.Conversion(tmp_path, images)
    content = tflite.convert(conversion, "uint8")
    assert graph.read(content).in_float == {}
    assert graph.read(content).foreign == ()
    expected = models.softmax(model.predict(images, verbose=0))
    exact = models.TFLiteModel(tflite.convert(conversion, "float32")).predict(images)
    np.testing.assert_allclose(exact, expected, atol=1e-4)
    answers = models.TFLiteModel(content).predict(images)
    spread = np.abs(expected - expected.mean(axis=0)).max()
    assert np.abs(answers - expected).max() < max(0.05, spread)
