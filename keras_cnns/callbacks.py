"""What happens between the steps of a training: files, lines on the terminal, and how it stops."""

import csv
import math
import os
import signal
import time

import keras

from pipelines.errors import TrainingFailed
from pipelines.files import whole_file


class Keep(keras.callbacks.Callback):
    """Keep the best model, by validation accuracy and then by loss, and the last one.

    Keras' own ModelCheckpoint writes over the old file: a kill in that moment leaves neither.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.best = (-1.0, math.inf)
        self.best_epoch = None
        folder.mkdir(exist_ok=True)

    def on_epoch_end(self, epoch, logs=None):
        """Write last.keras, and best.keras where this epoch is the best so far."""
        self.save("last.keras")
        score = (logs["val_accuracy"], -logs["val_loss"])
        if self.best_epoch is None or score > self.best:
            self.best, self.best_epoch = score, epoch + 1
            self.save("best.keras")

    def save(self, name):
        """Write the model as it is now."""
        with whole_file(self.folder / name) as temporary:
            self.model.save(temporary)


class History(keras.callbacks.Callback):
    """history.csv: one row an epoch, on disk as soon as the epoch ends."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch's row."""
        row = {"epoch": epoch + 1, **logs, "seconds": round(time.perf_counter() - self.begun, 3)}
        is_new = not self.path.exists()
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            if is_new:
                writer.writeheader()
            writer.writerow(row)


class Lines(keras.callbacks.Callback):
    """One line an epoch, where no terminal can show a bar."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        """Print the epoch's numbers."""
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        print(f"epoch {epoch + 1}/{self.epochs}  {numbers}", flush=True)


class StopOnNaN(keras.callbacks.Callback):
    """End a training whose loss is no longer a number, before it is kept as the best."""

    def on_train_batch_end(self, batch, logs=None):
        """Look at the loss of every step."""
        if not math.isfinite(logs["loss"]):
            raise TrainingFailed(
                f"the loss became {float(logs['loss'])} at step {batch + 1}; the last good model "
                "is in checkpoints/; try a lower learning_rate"
            )


class Signals(keras.callbacks.Callback):
    """SIGINT and SIGTERM finish the step, keep the model, and end; a second one ends at once."""

    def __init__(self, keep):
        super().__init__()
        self.keep = keep
        self.received = None

    def on_train_begin(self, logs=None):
        """Listen."""
        self.before = {s: signal.signal(s, self.receive) for s in (signal.SIGINT, signal.SIGTERM)}

    def receive(self, number, _):
        """Remember the first signal, obey the second."""
        if self.received is not None:
            os._exit(128 + number)
        self.received = number

    def on_train_batch_end(self, batch, logs=None):
        """Stop between two steps."""
        if self.received is not None:
            self.keep.save("last.keras")
            raise Stopped(self.received, self.keep.folder / "last.keras")

    def restore(self):
        """Listen no more."""
        for number, handler in self.before.items():
            signal.signal(number, handler)


class Stopped(Exception):
    """A training that a signal ended, after saving."""

    def __init__(self, number, path):
        super().__init__(f"stopped by {signal.Signals(number).name}; the model so far is {path}")
        self.exit_code = 128 + number
