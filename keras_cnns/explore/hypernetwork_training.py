"""Train the network for MNIST twice, with a generated and with a plain second convolution.

Cost: 3.1 million multiply-adds an image; five epochs of MNIST for both are about ten minutes of one
core.
"""

import keras
import numpy as np

from export.intervals import wilson
from export.trained import MODEL
from keras_cnns import complexity
from keras_cnns.explore import hypernetwork as hypernetworks
from keras_cnns.explore import pictures, session

PAPER = {"plain": 0.9928, "hypernetwork": 0.9924}  # test accuracy, section 4.1


def epochs_of(images, labels, batch_size, seed):
    """A function of a step's number: its images, each epoch in another order."""
    per_epoch = max(1, len(images) // batch_size)

    def batch(step):
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        chosen = order[place * batch_size : (place + 1) * batch_size]
        return images[chosen], labels[chosen]

    return batch, per_epoch


def accuracy(network, images, labels):
    """Right answers."""
    return int((network.predict(images, batch_size=256, verbose=0).argmax(1) == labels).sum())


def train(source, settings, out):
    """Train both, write the hypernetwork out as a plain network, and compare them.

    Args:
        source: a `pipelines.sources.Source`, brought to 28 x 28 grey.
        settings: a `settings.Hypernetwork`.
        out: the run's folder. Its model.keras is the plain network with the generated kernel
            written in, of stock layers alone; hypernetwork.keras is what was trained.

    Returns:
        The contents of metrics.json.
    """
    begun = session.begin(source, settings, out, "hypernetwork")
    images, test = session.pixels(source, "train"), session.pixels(source, "test")
    labels = source.splits["train"].labels.astype("int32")
    truth = source.splits["test"].labels
    batch, per_epoch = epochs_of(images, labels, settings.batch_size, settings.seed)
    plain = hypernetworks.mnist_network(len(source.classes))
    hyper = hypernetworks.hyper(
        plain, [hypernetworks.GENERATED], tile=(7, 16, 16),
        embedding=settings.embedding, hidden=settings.hidden,
    )  # fmt: skip
    report = {"test_images": len(test), "networks": {}}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, network in (("plain", plain), ("hypernetwork", hyper)):
        steps = settings.epochs * per_epoch
        seconds = session.fit(network, loss, batch, steps, settings.learning_rate, name)
        report["networks"][name] = _facts(name, network, test, truth, seconds)
    kernel = plain.get_layer(hypernetworks.GENERATED).kernel.numpy()
    written = hypernetworks.mnist_network(len(source.classes))
    hypernetworks.write_out(hyper, written)
    some = test[:1000]
    difference = np.abs(hyper.predict(some, verbose=0) - written.predict(some, verbose=0)).max()
    report["written_out_differs"] = float(difference)
    session.save(written, out / MODEL)
    session.save(hyper, out / "hypernetwork.keras")
    generated = written.get_layer(hypernetworks.GENERATED).kernel.numpy()
    pictures.kernels({"learned": kernel, "generated": generated}, out / "kernels.png")
    return session.end(report, begun, out)


def _facts(name, network, test, truth, seconds):
    right = accuracy(network, test, truth)
    kernels = [layer for layer in network.layers if layer.name == hypernetworks.KERNELS]
    second = complexity.rows(network)
    own = [row.params for row in second if row.name == hypernetworks.GENERATED]
    return {
        "params": complexity.params(network),
        "kernel_params": kernels[0].count_params() if kernels else own[0] - 16,
        "accuracy": right / len(truth),
        "accuracy_95": list(wilson(right, len(truth))),
        "paper": PAPER[name],
        "seconds": round(seconds, 1),
    }


def show(report):
    """Print the table."""
    from pipelines import cli

    rows = [
        [
            name, f"{found['params']:,}", f"{found['kernel_params']:,}",
            f"{100 * found['accuracy']:.2f}%",
            "{:.2f} to {:.2f}".format(*(100 * end for end in found["accuracy_95"])),
            f"{100 * found['paper']:.2f}%", f"{found['seconds']:.0f} s",
        ]
        for name, found in report["networks"].items()
    ]  # fmt: skip
    header = ["network", "parameters", "of the kernel", "test accuracy", "95%", "paper", "training"]
    cli.table(header, rows)
    print(
        f"{report['test_images']:,} test images; written out as a plain network, its logits "
        f"differ by {report['written_out_differs']:.1e} at most"
    )


NEXT = ("python -m keras_cnns evaluate {out}", "python -m export bundle {out} --out {out}/bundle")
