"""A run: the folder in which a training leaves what it did."""

import contextlib
import json
import platform
from importlib.metadata import version
from shlex import quote

import yaml

from export import trained, yaml_file
from export.trained import CONFIG, LABELS, MODEL
from keras_cnns.training.checkpoint import locked
from pipelines import files
from pipelines.errors import UserError, did_you_mean
from pipelines.files import write_json, write_text

METRICS = "metrics.json"
SHEET = "augmentation.png"
ENVIRONMENT = "env.json"
SKIPPED = "skipped.txt"  # the bad images that were left out
OWNED = (
    *(CONFIG, LABELS, MODEL, METRICS, ENVIRONMENT, "history.csv", "curves.png", SHEET),
    *("checkpoints", "tensorboard", "bundle", "bundle.failed", "report-*", "bad_batch.json"),
    SKIPPED,
)
PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "ai-edge-litert")


def claim(folder):
    """Refuse to train over another run or over other files; see `files.claim`.

    Raises:
        EnvironmentFault: another process trains into it at this moment.
    """
    with locked(folder) if folder.is_dir() else contextlib.nullcontext():
        files.claim(folder, marker=CONFIG, owned=OWNED)
    if (folder / CONFIG).exists() and not is_complete(folder):
        if not can_be_resumed(yaml_file.read(folder / CONFIG)):
            raise UserError(
                f"{folder} holds what another command left; name another --out, or remove it"
            )
        raise UserError(
            f"{folder} holds a run already, which did not finish; to go on with it: "
            f"python -m keras_cnns train --resume --out {quote(str(folder))}"
        )
    claim_held(folder)


def claim_held(folder):
    """Once the folder is ours alone: refuse a run that another process began since `claim`."""
    if (folder / CONFIG).exists():
        raise UserError(f"{folder} holds a run already; name another --out, or remove it")


def can_be_resumed(config):
    """Whether a config.yaml is of `train`, and not of a search's trial, an exploration or so."""
    return isinstance(config, dict) and "xla" in config


def is_complete(folder):
    """Whether a training ended as it should: its metrics are written last."""
    return (folder / METRICS).exists()


def config_of(folder):
    """The config.yaml of a run that can be taken up, or is complete.

    Raises:
        UserError: there is no run.
        DamagedFile: it is no mapping.
    """
    if not (folder / CONFIG).is_file():
        beside = [str(path.parent) for path in folder.parent.glob(f"*/{CONFIG}")]
        near = f"; {did_you_mean(str(folder), beside)}" if beside else ""
        raise UserError(f"{folder} holds no run that could be taken up: no {CONFIG}{near}")
    config = trained.config_of(folder)
    if not can_be_resumed(config) and not is_complete(folder):
        raise UserError(
            f"{folder} is no run that could be taken up: another command than train left it"
        )
    return config


def metrics(folder):
    """The metrics.json of a run."""
    return json.loads((folder / METRICS).read_text(encoding="utf-8"))


def write_start(folder, config, labels, skipped=()):
    """Write what is known before the first step: settings, and what `write_about` does."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    write_about(folder, labels, skipped)


def write_about(folder, labels, skipped=()):
    """Write class names, the findings of images left out, and machine, where they are not yet.

    A kill may have come between them and the settings, by which a run is known.
    """
    lines = {LABELS: labels or (), SKIPPED: [finding.text for finding in skipped]}
    for name, texts in lines.items():
        if texts and not (folder / name).exists():
            write_text(folder / name, "\n".join(texts) + "\n")
    if not (folder / ENVIRONMENT).exists():
        write_json(folder / ENVIRONMENT, environment())


def environment():
    """Versions and machine, as plain data."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in PACKAGES},
    }
