"""The Kanerva machine: a memory that is written by Bayes' rule.

Wu, Wayne, Graves and Lillicrap 2018, The Kanerva Machine: A Generative Distributed Memory,
arXiv:1804.01756 (section 3; figure 1). No code of the authors is known; what follows is derived
here and tested against the closed form.

The memory M has K rows of C numbers, and is not known: it is Gaussian, each of its C columns with a
mean of its own, a column of R (K x C), and all with one covariance U (K x K). To write a code z (C
numbers) with weights w (K numbers) is to observe z = w^T M + noise, of variance s^2 each. A column
m of M and its number z_c of z are jointly Gaussian,

    E m = r,   Var m = U,   E z_c = w^T r,   Var z_c = w^T U w + s^2,   Cov(m, z_c) = U w

and a Gaussian given a part of itself is Gaussian with mean r + Cov Var^-1 (z_c - w^T r) and
covariance U - Cov Var^-1 Cov^T. Hence, for all columns at once, with the gain
g = U w / (w^T U w + s^2),

    R <- R + g (z - R^T w)^T        U <- U - g w^T U

T codes at once are the same with W (T x K) for w^T and Z (T x C) for z^T: the gain is
G = U W^T (W U W^T + s^2 I)^-1. Since the noise is independent, to write them one after another, in
any order, ends at the same R and U; both equal (U^-1 + W^T W / s^2)^-1 for the covariance and that
times (U^-1 R + W^T Z / s^2) for the mean.

An episode writes T images x: e(x) is the code, and q(y | x) a Gaussian address whose weights are
w = f(y) A. To read a query is to draw y from q(y | query), then z from p(z | y, M), a Gaussian of
mean R^T w and variance w^T U w + s^2, and x from p(x | z). The loss is the negative of the bound

    sum over t of  log p(x | z) - KL(q(y | x) || N(0, I))  minus  KL(q(M | X) || p(M))

To read iteratively feeds what was read back as the next query: what the memory holds attracts it.

Two things differ from the paper. z is drawn from what the memory says of it, not from a further
q(z | x, y, M), so that nothing of an image passes the memory by. And reading is trained on queries
with noise, and on what it has read itself, of which the gradient is stopped.

Cost: besides the layers, K^2 T + T^2 K multiply-adds and a T x T system to write an episode.
"""

import keras

from keras_cnns.explore.neural_process import divergence, layers

PACKAGE = "keras_cnns"


def write(mean, covariance, weights, codes, noise):
    """The memory's posterior after codes were written; see the head of this file.

    Args:
        mean: R, (..., rows, code).
        covariance: U, (..., rows, rows).
        weights: W, (..., images, rows).
        codes: Z, (..., images, code).
        noise: s^2, a number above 0.

    Returns:
        R and U, of the same shapes.
    """
    ops = keras.ops
    to_codes = ops.matmul(weights, covariance)  # W U, whose transpose is Cov
    images = weights.shape[-2]
    variance = ops.matmul(to_codes, ops.swapaxes(weights, -1, -2))
    variance = variance + noise * ops.eye(images, dtype=variance.dtype)
    gain = ops.swapaxes(ops.solve(variance, to_codes), -1, -2)
    mean = mean + ops.matmul(gain, codes - ops.matmul(weights, mean))
    covariance = covariance - ops.matmul(gain, to_codes)
    return mean, 0.5 * (covariance + ops.swapaxes(covariance, -1, -2))


def read(mean, covariance, weights, noise):
    """p(z | y, M): mean (..., images, code) and variance (..., images, 1) of what is read."""
    ops = keras.ops
    spread = ops.sum(ops.matmul(weights, covariance) * weights, axis=-1, keepdims=True)
    return ops.matmul(weights, mean), spread + noise


def memory_divergence(mean, covariance, prior_mean):
    """KL(N(R, U) || N(R0, I)) of a whole memory, (...,).

    1/2 (C tr U + |R - R0|^2 - K C - C log det U).
    """
    ops = keras.ops
    rows, code = mean.shape[-2:]
    root = ops.cholesky(covariance)
    diagonal = ops.diagonal(root, axis1=-2, axis2=-1)
    log_determinant = 2 * ops.sum(ops.log(diagonal), axis=-1)
    trace = ops.trace(covariance, axis1=-2, axis2=-1)
    distance = ops.sum(ops.square(mean - prior_mean), axis=(-2, -1))
    return 0.5 * (code * (trace - log_determinant - rows) + distance)


@keras.saving.register_keras_serializable(PACKAGE)
class KanervaMachine(keras.Model):
    """(images, queries) to the logits of what a memory of the images gives back of the queries.

    Args:
        rows: K.
        code: C.
        pixels: of an image.
        width: neurons between image and code.
        address: numbers of the address variable y.
        reads: how often a query is read, each time what was read before.
        seed: of the draws of y and z.

    Called on images and queries (batch, images, pixels) with values 0..1; returns logits
    (batch, images, reads, pixels), from draws of y and z; `write` and `read` draw nothing.
    """

    def __init__(
        self, rows=32, code=50, pixels=784, width=256, address=32, reads=4, seed=0, **options
    ):
        super().__init__(**options)
        self.facts = {"rows": rows, "code": code, "pixels": pixels, "width": width}
        self.facts |= {"address": address, "reads": reads, "seed": seed}
        self.seen = layers([width], width, "relu")
        self.encoder = keras.layers.Dense(code)
        self.addresser = keras.layers.Dense(2 * address)
        self.keys = layers([address], address)
        self.decoder = layers([width, width], pixels)
        self.draws = keras.random.SeedGenerator(seed)

    def build(self, _=None):
        """Make the weights."""
        rows, code, pixels, width, address = list(self.facts.values())[:5]
        self.seen.build((None, None, pixels))
        for part in (self.encoder, self.addresser):
            part.build((None, None, width))
        self.keys.build((None, None, address))
        self.decoder.build((None, None, code))
        draw, constant = keras.initializers.RandomNormal, keras.initializers.Constant
        self.addresses = self.add_weight((address, rows), draw(stddev=address**-0.5), name="A")
        self.prior = self.add_weight((rows, code), draw(stddev=0.1), name="R0")
        self.log_noise = self.add_weight((), constant(-2.0), name="log_s")
        # Divergences count little at first: before it can read, a memory is best left empty.
        self.warmth = self.add_weight((), "ones", trainable=False, name="warmth")

    @property
    def noise(self):
        """s^2."""
        return keras.ops.exp(2 * self.log_noise)

    def address(self, seen):
        """q(y | x): mean and deviation, (batch, images, address) each; sure of itself at first."""
        mean, raw = keras.ops.split(self.addresser(seen), 2, axis=-1)
        return mean, 1e-3 + keras.ops.softplus(raw - 3)

    def weigh(self, y):
        """Weights w of an address, (batch, images, rows)."""
        return keras.ops.matmul(self.keys(y), self.addresses)

    def write(self, images):
        """The memory after images were written at the means of their addresses: R and U."""
        seen = self.seen(images)
        return self._written(self.weigh(self.address(seen)[0]), self.encoder(seen))

    def _written(self, weights, codes):
        rows, code = self.prior.shape
        batch = keras.ops.shape(codes)[0]
        mean = keras.ops.broadcast_to(self.prior, (batch, rows, code))
        covariance = keras.ops.broadcast_to(keras.ops.eye(rows), (batch, rows, rows))
        return write(mean, covariance, weights, codes, self.noise)

    def read(self, memory, queries, iterations=1):
        """What a memory gives back of queries, (batch, images, pixels) in 0..1, without a draw.

        Args:
            memory: (R, U) of `write`.
            queries: (batch, images, pixels).
            iterations: how often what was read is read again.
        """
        for _ in range(iterations):
            weights = self.weigh(self.address(self.seen(queries))[0])
            queries = keras.ops.sigmoid(self.decoder(keras.ops.matmul(weights, memory[0])))
        return queries

    def _draw(self, mean, deviation):
        return mean + deviation * keras.random.normal(keras.ops.shape(mean), seed=self.draws)

    def _addressed(self, seen):
        """Weights of a drawn address, and how far its distribution is from N(0, I)."""
        mean, deviation = self.address(seen)
        zero, one = keras.ops.zeros_like(mean), keras.ops.ones_like(mean)
        far = keras.ops.mean(divergence(mean, deviation, zero, one))
        return self.weigh(self._draw(mean, deviation)), far

    def call(self, inputs):
        """Write the images, read the queries as often as `reads` says, and add the divergences."""
        images, queries = inputs
        ops, reads = keras.ops, self.facts["reads"]
        seen = self.seen(images)
        weights, far = self._addressed(seen)
        memory = self._written(weights, self.encoder(seen))
        answers = []
        for _ in range(reads):
            weights, more = self._addressed(self.seen(queries))
            mean, variance = read(*memory, weights, self.noise)
            answers.append(self.decoder(self._draw(mean, ops.sqrt(variance))))
            queries = ops.stop_gradient(ops.sigmoid(answers[-1]))
            far = far + more / reads
        written = ops.mean(memory_divergence(*memory, self.prior)) / images.shape[1]
        self.add_loss(self.warmth * (far / 2 + written))
        return ops.stack(answers, axis=2)

    def get_config(self):
        """What `from_config` takes."""
        return super().get_config() | self.facts


@keras.saving.register_keras_serializable(PACKAGE)
def negative_log_likelihood(images, logits):
    """The loss, (batch, images): nats an image under the Bernoulli of each pixel, mean of reads.

    Args:
        images: (batch, images, pixels).
        logits: (batch, images, reads, pixels).
    """
    images = keras.ops.expand_dims(images, 2)
    return keras.ops.mean(
        keras.ops.sum(keras.ops.softplus(logits) - images * logits, axis=-1), axis=-1
    )


class WarmUp(keras.callbacks.Callback):
    """Let divergences count from 2% to all of it in the first 60% of the steps.

    Sonderby et al. 2016, Ladder Variational Autoencoders, arXiv:1602.02282, section 2.3.
    """

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_begin(self, batch, logs=None):
        """Set the weight for the step."""
        self.model.warmth.assign(min(1.0, 0.02 + batch / (0.6 * self.steps)))
