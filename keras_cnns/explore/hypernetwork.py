"""A static hypernetwork: a small network that writes the kernels of a large one.

Ha, Dai and Le 2016, HyperNetworks, arXiv:1609.09106 (section 3.1, equations 1 and 2; section 4.1
for MNIST, 4.2 for wide residual networks). Each kernel, or tile of one, has an embedding z of Nz
learned numbers, and nothing else of its own. Two linear layers shared by all turn z into a tile of
f x f x Nin x Nout: for each input channel i,

    a_i = W_i z + B_i,  d numbers          K_i = W_out a_i + B_out,  f * f * Nout numbers

which is d (Nz + 1) Nin + f^2 Nout (d + 1) parameters, and Nz for each tile. A larger kernel is laid
out of tiles. 4,240 for the second convolution of the MNIST network (7x7, 16 to 16, Nz = d = 4; it
has 12,544 weights itself); wide ResNets 40-1 and 40-2, whole: 97,770 and 155,626 parameters in
place of 563,930 and 2,243,546 (3x3, 16 to 16, Nz = d = 64).

Cost: kernels are generated once a step, whatever the batch. They depend on no image, so that a
trained network is written out as the plain one that it was made of: no byte and no operation of
the hypernetwork reaches a device.
"""

import math

import keras

PACKAGE = "keras_cnns"


@keras.saving.register_keras_serializable(PACKAGE)
class GeneratedKernels(keras.layers.Layer):
    """The hypernetwork with its embeddings: a list of kernels, whatever it is called on.

    Args:
        shapes: of the kernels, (height, width, input channels, output channels) each.
        tile: (side, input channels, output channels) of what one embedding becomes.
        embedding: Nz.
        hidden: d.

    Raises:
        ValueError: a kernel that cannot be laid out of tiles.
    """

    def __init__(self, shapes, *, tile, embedding, hidden, **options):
        super().__init__(**options)
        self.shapes = [tuple(shape) for shape in shapes]
        self.tile, self.embedding, self.hidden = tuple(tile), embedding, hidden
        side, inputs, outputs = self.tile
        for height, width, fan_in, fan_out in self.shapes:
            if (height, width) != (side, side) or fan_in % inputs or fan_out % outputs:
                raise ValueError(
                    f"a kernel of {height} x {width}, {fan_in} to {fan_out}, is no multiple of a "
                    f"tile of {side} x {side}, {inputs} to {outputs}"
                )

    def build(self, _):
        """Make the weights."""
        side, inputs, outputs = self.tile
        tiles = sum(rows * columns for rows, columns in map(self._grid, self.shapes))
        # Embeddings and hidden numbers of variance 1, kernels of He's for a tile's own inputs.
        spread = math.sqrt(2 / (side * side * inputs * self.hidden))
        normal = keras.initializers.RandomNormal
        self.z = self.add_weight((tiles, self.embedding), normal(stddev=1.0), name="z")
        self.w_in = self.add_weight(
            (self.embedding, inputs * self.hidden), normal(stddev=self.embedding**-0.5), name="w_in"
        )
        self.b_in = self.add_weight((inputs * self.hidden,), "zeros", name="b_in")
        self.w_out = self.add_weight(
            (self.hidden, side * side * outputs), normal(stddev=spread), name="w_out"
        )
        self.b_out = self.add_weight((side * side * outputs,), "zeros", name="b_out")

    def _grid(self, shape):
        return shape[2] // self.tile[1], shape[3] // self.tile[2]

    def call(self, _=None):
        """Each kernel of `shapes`, (height, width, input channels, output channels)."""
        side, inputs, outputs = self.tile
        a = keras.ops.matmul(self.z, self.w_in) + self.b_in
        a = keras.ops.reshape(a, (-1, self.hidden))
        tiles = keras.ops.matmul(a, self.w_out) + self.b_out
        tiles = keras.ops.reshape(tiles, (-1, inputs, side, side, outputs))
        kernels, begin = [], 0
        for shape in self.shapes:
            rows, columns = self._grid(shape)
            own = tiles[begin : begin + rows * columns]
            own = keras.ops.reshape(own, (rows, columns, inputs, side, side, outputs))
            own = keras.ops.transpose(own, (3, 4, 0, 2, 1, 5))
            kernels.append(keras.ops.reshape(own, shape))
            begin += rows * columns
        return kernels

    def compute_output_spec(self, _=None):
        """Shapes of the kernels."""
        return [keras.KerasTensor(shape, self.compute_dtype) for shape in self.shapes]

    def get_config(self):
        """What `from_config` takes."""
        own = {"shapes": self.shapes, "tile": self.tile}
        own |= {"embedding": self.embedding, "hidden": self.hidden}
        return super().get_config() | own


@keras.saving.register_keras_serializable(PACKAGE)
class ConvolutionWith(keras.layers.Layer):
    """A convolution of [x, kernel]; a bias is its own."""

    def __init__(self, *, strides, padding, use_bias, **options):
        super().__init__(**options)
        self.strides, self.padding, self.use_bias = tuple(strides), padding, use_bias

    def build(self, shapes):
        """Make the weights."""
        if self.use_bias:
            self.bias = self.add_weight((shapes[1][-1],), "zeros", name="bias")

    def call(self, inputs):
        """Convolve x (batch, height, width, channels) with the kernel."""
        x, kernel = inputs
        x = keras.ops.conv(x, kernel, self.strides, self.padding, data_format="channels_last")
        return x + self.bias if self.use_bias else x

    def get_config(self):
        """What `from_config` takes."""
        own = {"strides": self.strides, "padding": self.padding, "use_bias": self.use_bias}
        return super().get_config() | own


KERNELS = "generated_kernels"  # name of the hypernetwork's layer


def hyper(network, convolutions, *, tile, embedding, hidden):
    """The same network, with some of its kernels generated.

    Args:
        network: a functional model.
        convolutions: names of its Conv2D layers to generate, in any order.
        tile, embedding, hidden: see GeneratedKernels.
    """
    chosen = [layer for layer in network.layers if layer.name in set(convolutions)]
    generator = GeneratedKernels(
        [layer.kernel.shape for layer in chosen],
        tile=tile, embedding=embedding, hidden=hidden, name=KERNELS,
    )  # fmt: skip
    kernels = {}

    def call(layer, *args, **options):
        if layer.name not in set(convolutions):
            return layer(*args, **options)
        if not kernels:
            names = [each.name for each in chosen]
            kernels.update(zip(names, generator(args[0]), strict=True))
        convolution = ConvolutionWith(
            strides=layer.strides, padding=layer.padding, use_bias=layer.use_bias, name=layer.name
        )
        return convolution([args[0], kernels[layer.name]])

    return keras.models.clone_model(network, call_function=call)


def write_out(hypernetwork, network):
    """Write the weights of a hypernetwork into the plain network that it was made of."""
    generated = (keras.ops.convert_to_numpy(k) for k in hypernetwork.get_layer(KERNELS)())
    for layer in network.layers:
        twin = hypernetwork.get_layer(layer.name)
        own = [next(generated)] if isinstance(twin, ConvolutionWith) else []
        layer.set_weights(own + twin.get_weights())


def wide_resnet(name):
    """A wide ResNet of the catalogue with the kernels of its blocks generated (section 4.2).

    Args:
        name: such as "wrn_40_2_cifar"; its stem, shortcuts and classifier stay as they are.
    """
    from keras_cnns import registry

    network = registry.build(name)
    blocks = [x.name for x in network.layers if x.name.startswith("layer") and "_conv" in x.name]
    kernels = [name for name in blocks if not name.endswith("_pad")]
    return hyper(network, kernels, tile=(3, 16, 16), embedding=64, hidden=64)


GENERATED = "conv2"  # the convolution of `mnist_network` that section 4.1 generates


def mnist_network(classes=10):
    """Two 7x7 convolutions of 16 channels, each pooled, and a dense layer; pixels 0..255 in."""
    image = keras.Input((28, 28, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="normalize")(image)
    for name in ("conv1", GENERATED):
        x = keras.layers.Conv2D(16, 7, padding="same", activation=None, name=name)(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        x = keras.layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(image, keras.layers.Dense(classes, name="fc")(x), name="mnist_cnn")
