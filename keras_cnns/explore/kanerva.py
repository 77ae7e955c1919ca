"""The Kanerva machine: a memory that is written by Bayes' rule.

Wu, Wayne, Graves and Lillicrap 2018, The Kanerva Machine: A Generative Distributed Memory,
arXiv:1804.01756 (section 3; figure 1). No code of the authors is known; what follows is derived
here and tested against the closed form.

The memory M has K rows of C numbers, and is not known: it is Gaussian, each of its C columns with
a mean of its own, a column of R (K x C), and all with one covariance U (K x K). To write a code z
(C numbers) with weights w (K numbers, an address) is to observe z = w^T M + noise, noise of variance
s^2 for each number. A column m of M and its number z_c of z are jointly Gaussian,

    E m = r,   Var m = U,   E z_c = w^T r,   Var z_c = w^T U w + s^2,   Cov(m, z_c) = U w

and a Gaussian given a part of itself is Gaussian with mean r + Cov Var^-1 (z_c - w^T r) and
covariance U - Cov Var^-1 Cov^T. Hence, for all columns at once, with the gain g = U w / (w^T U w + s^2),

    R <- R + g (z - R^T w)^T        U <- U - g w^T U

T codes at once are the same with W (T x K) for w^T and Z (T x C) for z^T: the gain is
G = U W^T (W U W^T + s^2 I)^-1. Since the noise is independent, to write them one after another, in
any order, ends at the same R and U; both equal (U^-1 + W^T W / s^2)^-1 for the covariance and that
times (U^-1 R + W^T Z / s^2) for the mean.

An episode writes T images x: e(x) is the code, and q(y | x) a Gaussian address variable whose
weights are w = f(y)^T A. To read is z ~ p(z | y, M) = N(R^T w, w^T U w + s^2) and p(x | z); q(z | x, y, M)
sees what was read and the image. The loss is the negative of the bound

    sum over t of  log p(x | z) - KL(q(y | x) || N(0, I)) - KL(q(z | x, y, M) || p(z | y, M))
    minus KL(q(M | X) || p(M))

Reading iteratively feeds the image that was read back as the next query: what the memory holds
attracts it, and noise that it does not hold falls away.

Cost: besides the layers, K^2 T + T^2 K multiply-adds and a T x T system to write an episode.
"""

import keras

from keras_cnns.explore.neural_process import divergence

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
    """Episodes of images to the logits of what the memory gives back of them.

    Args:
        rows: K.
        code: C.
        pixels: of an image.
        width: neurons between image and code.
        address: numbers of the address variable y.
        seed: of the draws of y and z.

    Called on (batch, images, pixels) with values 0..1: writes them to an empty memory and reads
    them again; returns logits of the same shape.
    """

    def __init__(self, rows=32, code=50, pixels=784, width=256, address=32, seed=0, **options):
        super().__init__(**options)
        self.facts = {"rows": rows, "code": code, "pixels": pixels, "width": width}
        self.facts |= {"address": address, "seed": seed}
        dense = keras.layers.Dense
        self.seen = keras.Sequential([dense(width, activation="relu"), dense(width, "relu")])
        self.encoder = dense(code)
        self.addresser = dense(2 * address)
        self.keys = keras.Sequential([dense(address, activation="relu"), dense(address)])
        self.recogniser = keras.Sequential([dense(width // 2, activation="relu"), dense(2 * code)])
        self.decoder = keras.Sequential([dense(width, activation="relu"), dense(width, "relu"), dense(pixels)])
        self.draws = keras.random.SeedGenerator(seed)

    def build(self, shape=None):
        rows, code, pixels, width, address, _ = self.facts.values()
        self.seen.build((None, None, pixels))
        for part in (self.encoder, self.addresser):
            part.build((None, None, width))
        self.keys.build((None, None, address))
        self.recogniser.build((None, None, width + code))
        self.decoder.build((None, None, code))
        unit = keras.initializers.RandomNormal(stddev=address**-0.5)
        self.addresses = self.add_weight((address, rows), unit, name="A")
        self.prior = self.add_weight((rows, code), keras.initializers.RandomNormal(stddev=0.1), name="R0")
        self.log_noise = self.add_weight((), keras.initializers.Constant(-1.0), name="log_s")

    @property
    def noise(self):
        """s^2."""
        return keras.ops.exp(2 * self.log_noise)

    def address(self, seen):
        """q(y | x): mean and deviation, (batch, images, address) each."""
        mean, raw = keras.ops.split(self.addresser(seen), 2, axis=-1)
        return mean, 1e-3 + keras.ops.softplus(raw)

    def weigh(self, y):
        """Weights w of an address variable, (batch, images, rows)."""
        return keras.ops.matmul(self.keys(y), self.addresses)

    def write(self, images):
        """The memory after images were written at the means of their addresses: R and U."""
        seen = self.seen(images)
        return self._write(self.weigh(self.address(seen)[0]), self.encoder(seen))

    def _write(self, weights, codes):
        rows, code = self.prior.shape
        batch = keras.ops.shape(codes)[0]
        mean = keras.ops.broadcast_to(self.prior, (batch, rows, code))
        covariance = keras.ops.broadcast_to(keras.ops.eye(rows), (batch, rows, rows))
        return write(mean, covariance, weights, codes, self.noise)

    def read(self, memory, queries, iterations=1):
        """What a memory gives back of queries, (batch, images, pixels) in 0..1.

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

    def call(self, images):
        ops = keras.ops
        seen = self.seen(images)
        y_mean, y_deviation = self.address(seen)
        weights = self.weigh(self._draw(y_mean, y_deviation))
        mean, covariance = self._write(weights, self.encoder(seen))
        z_mean, z_variance = read(mean, covariance, weights, self.noise)
        correction, raw = ops.split(
            self.recogniser(ops.concatenate([seen, z_mean], axis=-1)), 2, axis=-1
        )
        posterior = z_mean + correction, 1e-3 + ops.softplus(raw)
        zero, one = ops.zeros_like(y_mean), ops.ones_like(y_mean)
        count = ops.cast(ops.shape(images)[1], self.compute_dtype)
        self.add_loss(
            ops.mean(divergence(y_mean, y_deviation, zero, one))
            + ops.mean(divergence(*posterior, z_mean, ops.sqrt(z_variance)))
            + ops.mean(memory_divergence(mean, covariance, self.prior)) / count
        )
        return self.decoder(self._draw(*posterior))

    def get_config(self):
        return super().get_config() | self.facts


@keras.saving.register_keras_serializable(PACKAGE)
def negative_log_likelihood(images, logits):
    """The loss, (batch, images): nats an image under the Bernoulli of each pixel."""
    softplus = keras.ops.softplus(logits)
    return keras.ops.sum(softplus - images * logits, axis=-1)
