"""Checkpoints that a kill cannot destroy, and the lock of a run.

A checkpoint is a folder: state.npz, facts.json, and SHA256SUMS of both (`sha256sum -c` reads it).
It is written under another name, synced to the disk, and renamed: it is whole, or it is not there.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np

from pipelines.errors import DamagedFile, EnvironmentFault
from pipelines.files import ENVIRONMENT, sweep

STATE, FACTS, SUMS = "state.npz", "facts.json", "SHA256SUMS"
NAME = re.compile(r"step-(\d+)")


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder, keep=2):
        self.folder, self.keep = Path(folder), keep
        self.damaged = []  # folders that a load found wanting

    def steps(self):
        """{step: folder} of all that are there, newest first."""
        entries = self.folder.iterdir() if self.folder.is_dir() else ()
        found = {int(m[1]): p for p in entries if (m := NAME.fullmatch(p.name))}
        return dict(sorted(found.items(), reverse=True))

    def save(self, step, arrays, facts):
        """Write a checkpoint, then remove all but the last `keep`.

        Args:
            step: steps done.
            arrays: {name: array}.
            facts: what else is to be kept, as plain data.

        Raises:
            EnvironmentFault: it cannot be written; the ones before are as they were.
        """
        target = self.folder / f"step-{step:08}"
        temporary = self.folder / f".{target.name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            _write(temporary, arrays, facts)
            if target.exists():  # of a training that was taken up before this step
                shutil.rmtree(target)
            os.rename(temporary, target)
            _sync(self.folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary, ignore_errors=True)
            if error.errno not in ENVIRONMENT:
                raise
            raise EnvironmentFault(self._fault(step, error)) from error
        self.prune()

    def _fault(self, step, error):
        older = next(iter(self.steps().values()), None)
        kept = f"; {older.name} is intact" if older else ""
        return f"{self.folder}: checkpoint {step} could not be written: {error.strerror}{kept}"

    def prune(self):
        """Remove what a kill left half-written, what is damaged, and all but the last `keep`."""
        sweep(self.folder)
        old = list(self.steps().values())
        old = [folder for folder in old if folder not in self.damaged][self.keep :]
        for folder in (*old, *self.damaged, *self.folder.glob(".step-*")):
            shutil.rmtree(folder, ignore_errors=True)
        self.damaged = []

    def load(self):
        """Read the newest whole checkpoint; `damaged` then names those passed over.

        Returns:
            (arrays, facts), or None where there is no checkpoint at all.

        Raises:
            DamagedFile: there are checkpoints, and every one is damaged.
        """
        if found := next(self.whole(), None):
            return found
        if self.damaged:
            names = ", ".join(folder.name for folder in self.damaged)
            raise DamagedFile(
                f"{self.folder}: every checkpoint is damaged ({names}); this training cannot be "
                "taken up, start it anew with another --out"
            )
        return None

    def whole(self):
        """Yield (arrays, facts) of each whole checkpoint, newest first; `damaged` as in `load`."""
        self.damaged = []
        for folder in self.steps().values():
            try:
                found = _read(folder)
            except (OSError, ValueError, KeyError, EOFError) as error:
                if isinstance(error, PermissionError):
                    raise
                self.damaged.append(folder)
            else:
                yield found


def _write(folder, arrays, facts):
    with open(folder / STATE, "wb") as file:
        np.savez(file, **arrays)
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    sums = [f"{_sha256(folder / name)}  {name}\n" for name in (STATE, FACTS)]
    (folder / SUMS).write_text("".join(sums))
    for name in (STATE, FACTS, SUMS, "."):
        _sync(folder / name)


def _read(folder):
    lines = (folder / SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    for name in (STATE, FACTS):
        if sums[name] != _sha256(folder / name):
            raise ValueError(f"{folder / name} is not what was written")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    with np.load(folder / STATE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}, facts


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder):
    """Keep every other process from training into a folder; a kill of ours ends that.

    Raises:
        EnvironmentFault: another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EnvironmentFault(
                f"{folder} is in use: another process trains into it; wait for it, or name "
                "another --out"
            ) from error
        yield
    finally:
        os.close(descriptor)
