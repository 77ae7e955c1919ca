"""The things to explore, by their mathematics: closed forms in numpy, invariances, gradients."""

import keras
import numpy as np
import pytest

import keras_cnns
from keras_cnns import complexity
from keras_cnns.explore import hypernetwork as hypernetworks
from keras_cnns.explore import kanerva
from keras_cnns.explore import neural_process as processes
from keras_cnns.explore.neural_process_training import draw_points, grid, take


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


# Hypernetworks


def generator(shapes=((3, 3, 4, 6), (3, 3, 8, 3)), tile=(3, 4, 3), embedding=5, hidden=2):
    layer = hypernetworks.GeneratedKernels(shapes, tile=tile, embedding=embedding, hidden=hidden)
    layer.build(None)
    for i, weight in enumerate(layer.weights):
        weight.assign(drawn(*weight.shape, seed=i))
    return layer


def test_kernels_are_laid_out_of_tiles_by_equation_2():
    layer = generator()
    z, w_in, b_in, w_out, b_out = (array(weight) for weight in layer.weights)
    w_in, b_in = w_in.reshape(5, 4, 2), b_in.reshape(4, 2)
    tiles = []
    for embedding in z:
        tile = np.zeros((3, 3, 4, 3))
        for i in range(4):
            a = embedding @ w_in[:, i] + b_in[i]
            tile[:, :, i] = (a @ w_out + b_out).reshape(3, 3, 3)
        tiles.append(tile)
    first, second = (array(kernel) for kernel in layer())
    np.testing.assert_allclose(first, np.concatenate(tiles[:2], axis=3), atol=1e-4)
    np.testing.assert_allclose(second, np.concatenate(tiles[2:], axis=2), atol=1e-4)


def test_a_kernel_that_no_tiles_fill_is_refused():
    with pytest.raises(ValueError, match="3 x 3, 5 to 6, is no multiple of a tile of 3 x 3, 4 to"):
        generator(shapes=[(3, 3, 5, 6)])


@pytest.mark.parametrize("embedding, hidden", [(4, 4), (2, 7)])
def test_the_parameters_are_those_of_the_papers_formula(embedding, hidden):
    plain = hypernetworks.mnist_network()
    model = hypernetworks.hyper(
        plain, ["conv2"], tile=(7, 16, 16), embedding=embedding, hidden=hidden
    )
    count = model.get_layer(hypernetworks.KERNELS).count_params() - embedding  # one z
    assert count == hidden * (embedding + 1) * 16 + 49 * 16 * (hidden + 1)
    if (embedding, hidden) == (4, 4):
        assert count == 4_240
    saved = 7 * 7 * 16 * 16 - count - embedding
    assert complexity.params(plain) - complexity.params(model) == saved


@pytest.mark.parametrize("name, params", [("wrn_40_1_cifar", 97_770), ("wrn_40_2_cifar", 155_626)])
def test_wide_resnets_have_the_parameters_of_table_2(name, params):
    model = hypernetworks.wide_resnet(name)
    assert complexity.params(model) == params
    plain = keras_cnns.build(name)
    kernels = model.get_layer(hypernetworks.KERNELS)().__len__()
    assert kernels == 36
    if name == "wrn_40_1_cifar":
        hypernetworks.write_out(model, plain)
        x = drawn(2, 32, 32, 3)
        np.testing.assert_allclose(
            model.predict(x, verbose=0), plain.predict(x, verbose=0), rtol=1e-3, atol=1e-4
        )


@pytest.fixture(scope="module")
def mnist_hyper():
    """The MNIST network with a generated kernel, after a few steps, and a plain twin."""
    keras.utils.set_random_seed(0)
    plain = hypernetworks.mnist_network(3)
    model = hypernetworks.hyper(plain, ["conv2"], tile=(7, 16, 16), embedding=4, hidden=4)
    before = [array(weight) for weight in model.trainable_weights]
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.abs(drawn(32, 28, 28, 1)) * 80, np.arange(32) % 3, epochs=2, verbose=0)
    return model, plain, before


def test_gradients_reach_every_part_of_a_hypernetwork(mnist_hyper):
    model, _, before = mnist_hyper
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(array(weight) - old).max() > 0, weight.path


def test_it_is_written_out_as_a_plain_network_that_opens_without_our_code(mnist_hyper, tmp_path):
    model, plain, _ = mnist_hyper
    hypernetworks.write_out(model, plain)
    images = drawn(4, 28, 28, 1, seed=5) * 60 + 100
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(plain.predict(images, verbose=0), expected, atol=1e-5)
    plain.save(tmp_path / "plain.keras")
    assert "keras_cnns" not in plain.to_json()
    again = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(
        again.predict(images, verbose=0), plain.predict(images, verbose=0)
    )
    model.save(tmp_path / "hyper.keras")
    trained = keras.saving.load_model(tmp_path / "hyper.keras")
    np.testing.assert_allclose(trained.predict(images, verbose=0), expected, atol=1e-6)


# Neural processes


def inputs(batch=2, points=6, known=4, seed=0):
    rng = np.random.default_rng(seed)
    places = rng.random((batch, points, 2)).astype("float32")
    values = rng.random((batch, points, 1)).astype("float32")
    mask = np.zeros_like(values)
    mask[:, :known] = 1
    return places, values, mask


@pytest.fixture(scope="module", params=[0, 8], ids=["conditional", "latent"])
def process(request):
    keras.utils.set_random_seed(0)
    model = processes.NeuralProcess(16, request.param)
    model.build()
    return model


def test_the_density_is_gauss():
    values, mean = drawn(5), drawn(5, seed=1)
    deviation = np.abs(drawn(5, seed=2)) + 0.1
    expected = np.log(
        np.exp(-((values - mean) ** 2) / (2 * deviation**2)) / np.sqrt(2 * np.pi * deviation**2)
    )
    found = array(processes.log_density(values, mean, deviation))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_divergence_is_the_mean_log_ratio():
    rng = np.random.default_rng(0)
    ends = [np.array([[0.3, -1.0]]), np.array([[0.5, 1.2]]), np.zeros((1, 2)), np.ones((1, 2))]
    found = array(processes.divergence(*ends))[0]
    z = ends[0] + ends[1] * rng.standard_normal((200_000, 2))
    ratio = [-0.5 * ((z - m) / s) ** 2 - np.log(s) for m, s in (ends[:2], ends[2:])]
    assert found == pytest.approx((ratio[0] - ratio[1]).sum(axis=1).mean(), abs=0.01)
    assert array(processes.divergence(*ends[:2], *ends[:2]))[0] == pytest.approx(0)


def test_the_order_of_the_context_does_not_matter(process):
    places, values, known = inputs()
    order = [2, 0, 3, 1, 5, 4]
    r = array(process.represent(places, values, known))
    again = array(process.represent(places[:, order], values[:, order], known))
    np.testing.assert_allclose(again, r, atol=1e-6)


def test_unknown_values_are_not_seen(process):
    places, values, known = inputs()
    other = np.where(known == 1, values, 7).astype("float32")
    r = array(process.represent(places, values, known))
    np.testing.assert_array_equal(array(process.represent(places, other, known)), r)


def test_a_place_is_answered_alike_whatever_else_is_asked(process):
    places, values, known = inputs()
    r = process.represent(places, values, known)
    r = process.posterior(r)[0] if process.latent else r
    all_places = array(process.decode(r, places))
    one = array(process.decode(r, places[:, 4:5]))
    np.testing.assert_allclose(one, all_places[:, 4:5], atol=1e-6)
    assert (all_places[..., 1] >= 0.1).all()


def test_gradients_reach_every_part_of_a_process(process):
    model = processes.NeuralProcess.from_config(process.get_config())
    model.build()
    before = [array(weight) for weight in model.trainable_weights]
    model.compile("adam", processes.negative_log_likelihood)
    places, values, known = inputs(batch=8)
    model.fit((places, values, known), values, verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(array(weight) - old).max() > 0, weight.path


def test_a_latent_process_draws_one_z_an_image():
    keras.utils.set_random_seed(0)
    model = processes.NeuralProcess(16, 8)
    places, values, known = inputs(batch=1)
    places[:] = places[:, :1]  # one place, asked six times
    answers = array(model((places, values, known)))
    np.testing.assert_allclose(answers, answers[:, :1].repeat(6, axis=1), atol=1e-6)
    again = array(model((places, values, known)))
    assert np.abs(again - answers).max() > 0


def test_points_are_drawn_in_one_place_and_taken_in_another():
    from keras_cnns.explore.settings import NeuralProcess

    settings = NeuralProcess(batch_size=3, points=20, context=9)
    images = np.random.default_rng(1).random((7, 784)).astype("float32")
    chosen, order, known = draw_points(np.random.default_rng(0), 7, settings, 784)
    again = draw_points(np.random.default_rng(0), 7, settings, 784)
    assert [np.array_equal(*pair) for pair in zip((chosen, order, known), again, strict=True)]
    assert 1 <= known <= 9
    assert all(len(set(row)) == 20 for row in order)
    (places, values, mask), targets = take(images, grid(), chosen, order, known)
    for i in range(3):
        np.testing.assert_array_equal(values[i, :, 0], images[chosen[i]][order[i]])
        np.testing.assert_allclose(places[i] * 27, np.stack(divmod(order[i], 28), -1), atol=1e-5)
    np.testing.assert_array_equal(mask[:, :, 0].sum(axis=1), known)
    np.testing.assert_array_equal(targets, values)


# The Kanerva machine


def closed_form(mean, covariance, weights, codes, noise):
    """Posterior of a linear-Gaussian memory by precision matrices, in double precision."""
    precision = np.linalg.inv(covariance) + weights.T @ weights / noise
    after = np.linalg.inv(precision)
    return after @ (np.linalg.inv(covariance) @ mean + weights.T @ codes / noise), after


@pytest.fixture
def memory():
    root = drawn(5, 5, seed=9).astype(float)
    return {
        "mean": drawn(5, 3, seed=1).astype(float),
        "covariance": root @ root.T / 5 + np.eye(5),
        "weights": drawn(7, 5, seed=2).astype(float),
        "codes": drawn(7, 3, seed=3).astype(float),
        "noise": 0.3,
    }


def single(facts):
    return {k: v if isinstance(v, float) else v.astype("float32") for k, v in facts.items()}


def test_to_write_is_the_closed_gaussian_posterior(memory):
    mean, covariance = (array(part) for part in kanerva.write(**single(memory)))
    expected_mean, expected_covariance = closed_form(**memory)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-5)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-5)


@pytest.mark.parametrize("order", [range(7), [6, 2, 0, 5, 1, 4, 3]])
def test_codes_may_be_written_one_by_one_in_any_order(memory, order):
    facts = single(memory)
    mean, covariance = facts["mean"], facts["covariance"]
    for i in order:
        mean, covariance = kanerva.write(
            mean, covariance, facts["weights"][i : i + 1], facts["codes"][i : i + 1], 0.3
        )
    expected_mean, expected_covariance = closed_form(**memory)
    np.testing.assert_allclose(array(mean), expected_mean, atol=1e-5)
    np.testing.assert_allclose(array(covariance), expected_covariance, atol=1e-5)


def test_what_is_written_without_noise_is_read_as_it_was(memory):
    facts = single(memory)
    weights, codes = facts["weights"][:3], facts["codes"][:3]
    after = kanerva.write(facts["mean"], facts["covariance"], weights, codes, 1e-6)
    mean, variance = kanerva.read(*after, weights, 1e-6)
    np.testing.assert_allclose(array(mean), codes, atol=1e-3)
    assert np.abs(array(variance)).max() < 1e-3


def test_to_read_is_the_predictive_distribution(memory):
    facts = single(memory)
    mean, variance = kanerva.read(facts["mean"], facts["covariance"], facts["weights"], 0.3)
    np.testing.assert_allclose(array(mean), memory["weights"] @ memory["mean"], atol=1e-5)
    expected = np.diag(memory["weights"] @ memory["covariance"] @ memory["weights"].T) + 0.3
    np.testing.assert_allclose(array(variance)[:, 0], expected, atol=1e-5)


def test_writing_makes_a_memory_surer(memory):
    _, after = kanerva.write(**single(memory))
    lost = np.linalg.eigvalsh(memory["covariance"] - array(after))
    assert lost.min() > -1e-5
    assert lost.max() > 0.1


def test_the_divergence_of_a_memory_is_that_of_all_its_numbers(memory):
    """KL of two Gaussians over the stacked columns, their covariances being Kronecker products."""
    prior = drawn(5, 3, seed=4).astype(float)
    covariance = np.kron(np.eye(3), memory["covariance"])
    gap = (memory["mean"] - prior).T.ravel()
    expected = 0.5 * (np.trace(covariance) + gap @ gap - 15 - np.linalg.slogdet(covariance)[1])
    facts = single(memory)
    found = kanerva.memory_divergence(facts["mean"], facts["covariance"], prior.astype("float32"))
    assert float(array(found)) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def machine():
    keras.utils.set_random_seed(0)
    model = kanerva.KanervaMachine(4, 6, 16, 8, 3, reads=2)
    model.build()
    return model


def episode(batch=3, count=5):
    return np.random.default_rng(0).random((batch, count, 16)).astype("float32")


def test_the_loss_is_the_bernoulli_of_each_pixel():
    images, logits = episode(), drawn(3, 5, 2, 16)
    p = 1 / (1 + np.exp(-logits))
    x = images[:, :, None]
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=-1).mean(axis=-1)
    found = array(kanerva.negative_log_likelihood(images, logits))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_order_in_which_images_are_written_does_not_matter(machine):
    images = episode()
    mean, covariance = (array(part) for part in machine.write(images))
    again = [array(part) for part in machine.write(images[:, ::-1])]
    np.testing.assert_allclose(again[0], mean, atol=1e-5)
    np.testing.assert_allclose(again[1], covariance, atol=1e-5)


def test_to_read_twice_is_to_read_what_was_read(machine):
    images = episode()
    memory = machine.write(images)
    once = machine.read(memory, images)
    np.testing.assert_allclose(
        array(machine.read(memory, once)), array(machine.read(memory, images, 2)), atol=1e-6
    )


def test_gradients_reach_every_part_of_a_machine_and_it_is_saved_whole(tmp_path):
    keras.utils.set_random_seed(0)
    model = kanerva.KanervaMachine(4, 6, 16, 8, 3, reads=2)
    model.build()
    before = [array(weight) for weight in model.trainable_weights]
    model.compile("adam", kanerva.negative_log_likelihood)
    images = episode()
    model.fit((images, images), images, epochs=2, verbose=0, callbacks=[kanerva.WarmUp(10)])
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(array(weight) - old).max() > 0, weight.path
    model.save(tmp_path / "kanerva.keras")
    again = keras.saving.load_model(tmp_path / "kanerva.keras")
    for one, other in zip(model.write(images), again.write(images), strict=True):
        np.testing.assert_array_equal(array(one), array(other))
