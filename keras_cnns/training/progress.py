"""What a person sees of a training: a bar on a terminal, a line an epoch elsewhere."""

import sys
import time


def show(terminal):
    """The watcher for a terminal, or for a file or a pipe."""
    return Bar() if terminal else Lines()


def numbers(row):
    """The numbers of an epoch that a person looks at, as one text."""
    shown = {name: row[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    text = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
    return f"{text}  rate {row['learning_rate']:.2g}  {row['images_per_second']:,.0f} images/s"


class Lines:
    """One line an epoch."""

    def began(self, loop):
        """Say how many."""
        self.epochs = loop.job.settings.epochs

    def stepped(self, loop, stats):
        """Nothing: a line a step would be too many."""

    def epoch_ended(self, loop, row):
        """Print the epoch's numbers."""
        print(f"epoch {row['epoch']}/{self.epochs}  {numbers(row)}", flush=True)

    def close(self):
        """Nothing is left open."""


class Bar:
    """A bar for the epoch at work; epochs that are done stay as lines above it."""

    def began(self, loop):
        """Show the bar."""
        from rich import progress

        columns = [
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(bar_width=8),
            progress.TextColumn("{task.completed}/{task.total}  {task.fields[numbers]}"),
            progress.TextColumn("left {task.fields[left]}"),
        ]
        self.progress = progress.Progress(*columns, transient=True)
        self.progress.start()
        job, self.begun, self.first = loop.job, time.monotonic(), loop.progress.step
        fields = {"epochs": job.settings.epochs, "epoch": 1, "numbers": "", "left": "?"}
        self.task = self.progress.add_task("", total=job.steps_per_epoch, **fields)

    def stepped(self, loop, stats):
        """Move the bar."""
        job, now = loop.job, loop.progress
        done = now.step - len(now.rows) * job.steps_per_epoch
        spent, taken = time.monotonic() - self.begun, now.step - self.first
        left = spent / taken * (job.steps - now.step)
        text = (
            f"rate {float(loop.engine.rate(loop.engine.optimizer.iterations)):.2g}  "
            f"loss {now.loss / done:.3f}  accuracy {now.right / (done * job.batch):.3f}  "
            f"{taken * job.batch / spent:,.0f} images/s"
        )
        fields = {"epoch": len(now.rows) + 1, "numbers": text, "left": clock(left)}
        self.progress.update(self.task, completed=done, **fields)

    def epoch_ended(self, loop, row):
        """Leave a line."""
        self.progress.print(
            f"epoch {row['epoch']}/{loop.job.settings.epochs}  {numbers(row)}", highlight=False
        )

    def close(self):
        """Take the bar away."""
        if hasattr(self, "progress"):
            self.progress.stop()


def clock(seconds):
    """Seconds as a person says them."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes}:{seconds:02}"


def say(sentence):
    """Tell the user something that is no result."""
    print(sentence, file=sys.stderr, flush=True)
