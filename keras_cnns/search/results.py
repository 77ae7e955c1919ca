"""What became of each candidate: one result.json a trial, which is also what a search resumes by.

A result is written whole, at the end of its trial, before any oracle hears of it: a trial that is
asked for again after a kill is answered from its file and not trained again.
"""

import json
import time
from pathlib import Path

from pipelines.files import write_json

RESULT = "result.json"
DONE, HALTED, FAILED, REFUSED = "done", "stopped early", "failed", "refused"
SEARCHED, UNIFORM = "searched", "uniform"  # kinds


class Results:
    """The results of a search's folder."""

    def __init__(self, out):
        self.folder = Path(out) / "trials"
        self._read = {}

    def place(self, name):
        """The folder of a trial."""
        return self.folder / name

    def get(self, name):
        """The result of a trial, or None while there is none."""
        if name not in self._read:
            try:
                text = (self.place(name) / RESULT).read_text(encoding="utf-8")
                self._read[name] = json.loads(text)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                return None
        return self._read[name]

    def put(self, name, result):
        """Write the result of a trial."""
        self.place(name).mkdir(parents=True, exist_ok=True)
        result = {"id": name} | result | {"ended": round(time.time(), 3)}
        write_json(self.place(name) / RESULT, result)
        self._read[name] = result
        return result

    def all(self):
        """Every result there is, in the order of their ends."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        found = [self.get(name) for name in names]
        return sorted((r for r in found if r), key=lambda r: (r["ended"], r["id"]))

    def of(self, *statuses, kind=None):
        """Results of these statuses, in the order of their ends."""
        found = [r for r in self.all() if r["status"] in statuses]
        return [r for r in found if kind in (None, r["kind"])]

    def twin(self, mark, but):
        """The result of another trial that trained the same network in the same way, or None."""
        trained = self.of(DONE, HALTED)
        return next((r for r in trained if r.get("mark") == mark and r["id"] != but), None)


def refusals(results):
    """{why: how many} of the refused candidates."""
    counts = {}
    for result in results:
        if result["status"] == REFUSED:
            counts[result["limit"]] = counts.get(result["limit"], 0) + 1
    return counts
