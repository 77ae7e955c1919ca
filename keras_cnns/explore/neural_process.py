"""Neural processes: networks that learn to learn a function from some of its values.

Garnelo et al. 2018a, Conditional Neural Processes, arXiv:1807.01613 (equations 1 to 4; section 4.2
for images). Garnelo et al. 2018b, Neural Processes, arXiv:1807.01622 (equations 4 to 9).

An image is a function from a pixel's place x = (row, column) to its value y. Of k known pixels,
the context, each becomes a vector h(x_i, y_i); their mean r says all that is known, in any order
and of any number. A decoder answers for any place x with the mean and deviation of a Gaussian:

    conditional   p(y | x, r), each pixel on its own
    latent        z ~ q(z | r), then p(y | x, z): one z for the whole image, so that its pixels
                  agree. Trained by log p(y | x, z) - KL(q(z | all) || q(z | context)) with z drawn
                  from q(z | all), equation 7.

Four layers encode, three decode, deviations are 0.1 + 0.9 softplus and of z 0.1 + 0.9 sigmoid, as
in the authors' notebooks. Cost: about 87,000 multiply-adds for each pixel of a step with layers of
128; a prediction is linear in known plus wanted pixels.
"""

import math

import keras

PACKAGE = "keras_cnns"


def log_density(y, mean, deviation):
    """Logarithm of the Gaussian density, element by element, in nats."""
    ops = keras.ops
    return -0.5 * ops.square((y - mean) / deviation) - ops.log(deviation) - 0.5 * math.log(
        2 * math.pi
    )  # fmt: skip


def divergence(mean, deviation, other_mean, other_deviation):
    """KL(N(mean, deviation) || N(other_mean, other_deviation)), summed over the last axis."""
    ops = keras.ops
    ratio = deviation / other_deviation
    distance = (mean - other_mean) / other_deviation
    return 0.5 * ops.sum(ops.square(ratio) + ops.square(distance) - 1 - 2 * ops.log(ratio), axis=-1)


def mean_of_known(vectors, known):
    """Mean of those vectors that are known.

    Args:
        vectors: (batch, points, channels).
        known: (batch, points, 1), 1 where a value is known and 0 elsewhere; at least one is.

    Returns:
        (batch, 1, channels).
    """
    total = keras.ops.sum(vectors * known, axis=1, keepdims=True)
    return total / keras.ops.sum(known, axis=1, keepdims=True)


def waves(places, frequencies):
    """Places with the sines and cosines of them at pi, 2 pi, 4 pi, ...

    A network of smooth layers learns fine detail late, out of raw places (Tancik et al. 2020,
    arXiv:2006.10739).

    Args:
        places: (batch, points, 2).
        frequencies: how many; 0, the places as they are, as in the papers.
    """
    angles = [math.pi * 2**i * places for i in range(frequencies)]
    both = [wave(angle) for angle in angles for wave in (keras.ops.sin, keras.ops.cos)]
    return keras.ops.concatenate([places, *both], axis=-1)


def layers(widths, last, activation=None):
    """Dense layers, rectified; the last by `activation`."""
    hidden = [keras.layers.Dense(width, activation="relu") for width in widths]
    return keras.Sequential([*hidden, keras.layers.Dense(last, activation=activation)])


@keras.saving.register_keras_serializable(PACKAGE)
class NeuralProcess(keras.Model):
    """(places, values, known) to the mean and deviation of the value at every place.

    Args:
        width: neurons of each layer.
        latent: numbers of z; 0, the conditional process.
        frequencies: see `waves`.
        seed: of the draws of z.

    Called on places (batch, points, 2), values (batch, points, 1) and known (batch, points, 1), of
    which values count only where known is 1 (in training, all of them for q(z | all)). Returns
    (batch, points, 2): mean and deviation. A latent process draws one z an image: in training
    from q(z | all), else from q(z | context).
    """

    def __init__(self, width=128, latent=0, frequencies=0, seed=0, **options):
        super().__init__(**options)
        self.width, self.latent, self.frequencies, self.seed = width, latent, frequencies, seed
        self.encoder = layers([width] * 3, width)
        self.decoder = layers([width] * 2, 2)
        if latent:
            self.latent_hidden = keras.layers.Dense((width + latent) // 2, activation="relu")
            self.latent_ends = keras.layers.Dense(2 * latent)
            self.draws = keras.random.SeedGenerator(seed)

    def build(self, shapes=None):
        """Make the weights."""
        place = 2 + 4 * self.frequencies
        self.encoder.build((None, None, place + 1))
        if self.latent:
            self.latent_hidden.build((None, 1, self.width))
            self.latent_ends.build((None, 1, (self.width + self.latent) // 2))
        self.decoder.build((None, None, (self.latent or self.width) + place))

    def represent(self, places, values, known):
        """r, (batch, 1, width): what the known values say."""
        pairs = keras.ops.concatenate([waves(places, self.frequencies), values], axis=-1)
        return mean_of_known(self.encoder(pairs), known)

    def posterior(self, r):
        """q(z | r): mean and deviation, (batch, 1, latent) each."""
        mean, raw = keras.ops.split(self.latent_ends(self.latent_hidden(r)), 2, axis=-1)
        return mean, 0.1 + 0.9 * keras.ops.sigmoid(raw)

    def decode(self, r, places):
        """Mean and deviation at places, out of r or of z."""
        shape = (keras.ops.shape(places)[0], keras.ops.shape(places)[1], r.shape[-1])
        known = keras.ops.broadcast_to(r, shape)
        asked = keras.ops.concatenate([known, waves(places, self.frequencies)], axis=-1)
        mean, raw = keras.ops.split(self.decoder(asked), 2, axis=-1)
        return keras.ops.concatenate([mean, 0.1 + 0.9 * keras.ops.softplus(raw)], axis=-1)

    def call(self, inputs, training=False):
        """Mean and deviation at every place; adds the divergence of q in training."""
        places, values, known = inputs
        r = self.represent(places, values, known)
        if not self.latent:
            return self.decode(r, places)
        context = self.posterior(r)
        source = context
        if training:
            source = self.posterior(self.represent(places, values, keras.ops.ones_like(known)))
            # A mean over points, as the loss is.
            points = keras.ops.cast(keras.ops.shape(places)[1], self.compute_dtype)
            self.add_loss(keras.ops.mean(divergence(*source, *context)) / points)
        noise = keras.random.normal(keras.ops.shape(source[0]), seed=self.draws)
        return self.decode(source[0] + source[1] * noise, places)

    def get_config(self):
        """What `from_config` takes."""
        own = {"width": self.width, "latent": self.latent, "seed": self.seed}
        own |= {"frequencies": self.frequencies}
        return super().get_config() | own


@keras.saving.register_keras_serializable(PACKAGE)
def negative_log_likelihood(values, answers):
    """The loss, (batch, points): nats a pixel of values under the answers' mean and deviation."""
    return -log_density(values, answers[..., :1], answers[..., 1:])[..., 0]
