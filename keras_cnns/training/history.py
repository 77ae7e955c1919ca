"""history.csv: what each epoch of a training came to."""

import csv
import io

from pipelines.files import write_text


class Rows:
    """history.csv: one row an epoch, written whole each time."""

    def __init__(self, path):
        self.path = path

    def began(self, loop):
        """Write the epochs before; a killed training may have written more."""
        self.write(loop.progress.rows)

    def stepped(self, loop, stats):
        """Nothing: a row is of an epoch."""

    def epoch_ended(self, loop, row):
        """Write all rows so far."""
        self.write(loop.progress.rows)

    def write(self, rows):
        """Write the file, or remove it where there is no row."""
        if not rows:
            self.path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())

    def close(self):
        """Nothing is left open."""
