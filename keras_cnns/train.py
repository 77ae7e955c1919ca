"""Train a network on a source, and leave a run folder."""

import dataclasses
import os
import time
from pathlib import Path

import keras
import tensorflow as tf

from export.trained import MODEL
from keras_cnns import callbacks, complexity, losses, plots, registry, run
from pipelines import dataset
from pipelines import recipes as augmentations
from pipelines.files import whole_file, write_json
from pipelines.preview import write as write_preview
from pipelines.sources import absolute


def train(name, source, settings, out, *, recipe="plain", data_dir=None, bar=False):
    """Train a network and write the run.

    Args:
        name: a registered network.
        source: a `pipelines.sources.Source`.
        settings: a `recipes.Training`.
        out: the run's folder; it must not hold anything yet.
        bar: show a progress bar for each epoch, not a line.

    Returns:
        The contents of metrics.json.

    Raises:
        BuildError: the network cannot be built for these images.
        UserError: `out` is taken, or a setting does not fit.
        TrainingFailed: the loss became NaN or infinite.
        Stopped: by a signal, after saving.
    """
    out = Path(out)
    run.claim(out)
    augmentation = augmentations.find(settings.augment)
    keras.utils.set_random_seed(settings.seed)
    model = compiled(name, source, settings)
    shape = model.input_shape[1:]
    data_dir = data_dir and os.path.abspath(os.path.expanduser(data_dir))
    config = {"model": name, "data": absolute(source.spec), "data_dir": data_dir, "recipe": recipe}
    config |= dataclasses.asdict(settings) | {"image_size": shape[0], "channels": shape[2]}
    config |= {"fingerprint": source.fingerprint}
    run.write_start(out, config, source.classes)
    return fit(model, source, settings, augmentation, out, bar=bar)


def compiled(name, source, settings):
    """Build a network for the images of a source, ready for `fit`."""
    height, width, _ = registry.find(name).input_shape
    if settings.image_size:
        height = width = settings.image_size
    shape = (height, width, source.channels)
    model = registry.build_for_pixels(name, len(source.classes), shape)
    steps = settings.epochs * dataset.steps_per_epoch(source.splits["train"], settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    options = {"weight_decay": settings.weight_decay or None}
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=settings.momentum, **options)
    else:
        optimizer = keras.optimizers.Adam(rate, **options)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        synchronize(model)
    loss, accuracy = losses.LOSSES[registry.find(name).loss], "accuracy"
    if len(model.outputs) > 1:
        # Named after the main head, by which `served` finds it again.
        model = keras.Model(model.input, losses.stacked(model.outputs), name=model.output_names[0])
        loss = losses.with_auxiliary(loss)
        accuracy = keras.metrics.MeanMetricWrapper(losses.main_accuracy, name="accuracy")
    model.compile(optimizer, loss, metrics=[accuracy])
    return model


def served(model):
    """The network as it is used: auxiliary heads are for training alone."""
    if len(model.output_shape) == 2:
        return model
    return keras.Model(model.input, model.get_layer(model.name).output, name=model.name)


def synchronize(model):
    """Let batch normalization see the batch of all devices, not of one (Keras' default)."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def fit(model, source, settings, augmentation, out, *, bar):
    """Train a compiled model and fill the run folder `out`."""
    begun = time.perf_counter()
    shape, batch = model.input_shape[1:], settings.batch_size
    training = dataset.training(
        source.splits["train"], shape, batch_size=batch, epochs=settings.epochs,
        seed=settings.seed, recipe=augmentation,
    )  # fmt: skip
    keep = callbacks.Keep(out / "checkpoints")
    signals = callbacks.Signals(keep)
    boards = keras.callbacks.TensorBoard(out / "tensorboard", write_graph=True)
    reports = [] if bar else [callbacks.Lines(settings.epochs)]
    show_images(out, source, settings, shape, training)
    try:
        history = model.fit(
            training,
            epochs=settings.epochs,
            steps_per_epoch=dataset.steps_per_epoch(source.splits["train"], batch),
            validation_data=dataset.evaluation(source.splits["val"], shape, batch_size=batch),
            shuffle=False,  # the data set comes shuffled
            verbose=1 if bar else 0,
            callbacks=[
                callbacks.StopOnNaN(), keep, callbacks.History(out / "history.csv"), boards,
                *reports, signals,
            ],
        )  # fmt: skip
    finally:
        signals.restore()
    with whole_file(out / MODEL) as temporary:
        best = keras.saving.load_model(keep.folder / "best.keras", compile=False)
        served(best).save(temporary)  # without the optimizer, which is two thirds of the file
    plots.curves(history.history, keep.best_epoch, out / "curves.png")
    metrics = {
        "val_accuracy": keep.best[0],
        "val_loss": -keep.best[1],
        "val_images": len(source.splits["val"]),
        "best_epoch": keep.best_epoch,
        "epochs": settings.epochs,
        "params": complexity.params(model),
        "macs": complexity.macs(served(model)),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    write_json(out / run.METRICS, metrics)
    return metrics


def show_images(out, source, settings, shape, training):
    """Write the contact sheet, and the first augmented batch to TensorBoard."""
    write_preview(source, settings.augment, out / "augmentation.png", size=min(shape[0], 256))
    writer = tf.summary.create_file_writer(str(out / "tensorboard" / "train"))
    with writer.as_default(step=0):
        images, _ = next(iter(training))
        tf.summary.image("first batch, augmented", images, max_outputs=8)
    writer.close()
