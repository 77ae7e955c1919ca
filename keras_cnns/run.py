"""A run: the folder in which a training leaves what it did."""

import platform
from importlib.metadata import version

import yaml

from export.trained import CONFIG, LABELS, MODEL
from pipelines import files
from pipelines.errors import UserError
from pipelines.files import write_json, write_text

METRICS = "metrics.json"
OWNED = (
    *(CONFIG, LABELS, MODEL, METRICS, "env.json", "history.csv", "curves.png", "augmentation.png"),
    *("checkpoints", "tensorboard", "bundle", "bundle.failed", "report-*"),
)
PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "ai-edge-litert")


def claim(folder):
    """Refuse to train over another run or over other files; see `files.claim`."""
    files.claim(folder, marker=CONFIG, owned=OWNED)
    if (folder / CONFIG).exists():
        raise UserError(f"{folder} holds a run already; name another --out, or remove it")


def write_start(folder, config, labels):
    """Write what is known before the first step: settings, class names, machine."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    if labels:
        write_text(folder / LABELS, "\n".join(labels) + "\n")
    write_json(folder / "env.json", environment())


def environment():
    """Versions and machine, as plain data."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in PACKAGES},
    }
