"""What a training left behind, found again by the folder of its run or by the model's file."""

import json
from dataclasses import dataclass
from pathlib import Path

from export import yaml_file
from pipelines.check.names import display, near_path
from pipelines.errors import DamagedFile, UserError

CONFIG = "config.yaml"  # its presence makes a folder a run
CARD = "model.json"  # of a bundle
LABELS = "labels.txt"
MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
# Folders of many runs: the file by which each is known, what it is, and where its runs lie.
COLLECTIONS = (("search.yaml", "a search", "trials"), ("experiment.yaml", "an experiment", "runs"))


@dataclass(frozen=True)
class Trained:
    """A trained model's file with what is known of it."""

    path: Path
    labels: tuple[str, ...] | None  # class names in the order of its outputs
    config: dict  # of its training; empty where the file came alone

    @property
    def trained_on(self):
        """The splits whose images its training saw."""
        return tuple(self.config.get("trained_on") or ("train",))


def find(path, *, suffixes=(".keras", ".tflite", ".onnx")):
    """Find the model of a run or of a bundle, or a model file itself.

    Args:
        path: a folder that holds model.keras, or a file.
        suffixes: the kinds of file that will do.

    Raises:
        UserError: there is no such thing, or the run did not finish.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / MODEL).is_file():
            raise UserError(f"{path} holds no {MODEL}: {_what_else(path)}")
        path = path / MODEL
    if not path.is_file():
        raise UserError(f"no run or model {display(path)}; {near_path(path)}")
    if path.suffix not in suffixes:
        raise UserError(f"{path} is no run and no {' or '.join(suffixes)} file")
    check_sealed(path)
    folder = path.parent.parent if path.parent.name == CHECKPOINTS else path.parent
    return Trained(path, _labels(folder), config_of(folder) or _of_bundle(folder))


def _what_else(folder):
    """What a folder without a model is, and where a model may be."""
    for marker, what, runs in COLLECTIONS:
        if (folder / marker).is_file():
            found = sorted(file.parent for file in folder.glob(f"{runs}/*/{MODEL}"))
            near = f", such as {found[0]}" if found else ""
            return f"it is {what}; name one of its {runs}{near}"
    if (folder / "result.json").is_file():
        result = settings_in(folder / "result.json")  # JSON is YAML
        why = f"{result.get('status')}: {result.get('reason')}"
        return f"it is a trial of a search that has none ({why}); front.csv there names others"
    if not (folder / CONFIG).exists():
        return "it is no run"
    last = folder / CHECKPOINTS / "last.keras"
    so_far = f"; the model so far is {last}" if last.exists() else ""
    return f"its training did not finish{so_far}"


def names_of(trained, outputs):
    """The class names of a model of so many outputs, by their number where nobody knows them.

    Raises:
        UserError: the labels beside the model are not its own.
    """
    names = trained.labels or tuple(f"class {i}" for i in range(outputs))
    if len(names) != outputs:
        raise UserError(
            f"{trained.path} has {outputs} outputs, and {LABELS} beside it names {len(names)} "
            "classes; put the right one there, or remove it"
        )
    return names


def check_sealed(path):
    """Refuse a file of a bundle that is not the one that its card was written for.

    Raises:
        DamagedFile: its sha256 differs.
    """
    from export.card import MARKER, check_hash, read_card

    if (path.parent / MARKER).is_file():
        known = read_card(path.parent)["files"]
        for file in (path, path.with_name(LABELS)):
            if path.name in known and file.name in known:
                check_hash(file, known[file.name])


def _labels(folder):
    file = folder / LABELS
    try:
        return tuple(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else None
    except UnicodeDecodeError:
        raise DamagedFile(f"{file} is damaged: it is no UTF-8 text") from None


def _of_bundle(folder):
    """What the card of a bundle says of its source; empty where there is none."""
    file = folder / CARD
    if not file.is_file():
        return {}
    try:
        return source_in(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):
        raise DamagedFile(f"{file} is damaged: it does not say where its images are") from None


def source_in(card):
    """The recorded source of a bundle's card, as a run's config has it."""
    data = dict(card["data"])
    return {"data": data.pop("source"), **data}


def config_of(folder):
    """The settings of a run; empty where there are none."""
    file = folder / CONFIG
    return settings_in(file) if file.is_file() else {}


def settings_in(file):
    """The settings that a YAML file of ours holds.

    Raises:
        DamagedFile: none.
    """
    config = yaml_file.read(file)
    if not isinstance(config, dict):
        raise DamagedFile(f"{file} is damaged: it holds no settings")
    return config


def add_source(parser, flag, default):
    """Add the flags by which the user names a source in place of the recorded one; see `source_of`.

    Args:
        flag: such as --data.
        default: the recorded one, in words.
    """
    from pipelines.commands import source

    source.add_source(parser, flag, default=default)
    help = "accept that the images of the training have changed since"
    parser.add_argument("--changed-data", action="store_true", help=help)


def source_of(trained, args, flag="--data"):
    """Open the source that the user names, else the one of the training.

    The one of the training must be what it was then; another, named explicitly, need not.

    Args:
        trained: a `Trained`.
        args: parsed arguments, of the flags of `add_source`.
        flag: by which the user names a source.

    Raises:
        UserError: neither is known, or the images are not those of the training.
    """
    from pipelines.commands.source import given_checks
    from pipelines.sources import open_source
    from pipelines.sources.recorded import is_same, reopen

    config, spec = trained.config, getattr(args, flag.removeprefix("--"))
    opened = {"data_dir": args.data_dir, "checks": given_checks(args)}
    if spec is None and "data" not in config:
        raise UserError(f"{trained.path} does not say what it was trained on; name it by {flag}")
    if spec is None or is_same(config, spec, args.data_dir):
        return reopen(config, changed_data=args.changed_data, by=trained.path, **opened)
    return open_source(spec, data_dir=args.data_dir, **opened["checks"])


def tflite_files(path):
    """A .tflite file, or those of a bundle.

    Raises:
        UserError: there is none.
    """
    path = Path(path)
    files = sorted(path.glob("*.tflite")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no .tflite file")
    return [find(file, suffixes=(".tflite",)).path for file in files]


def check_labels(labels, source, outputs):
    """Return the class names, after checking them against the source and the outputs."""
    labels = tuple(labels or source.classes)
    if labels != source.classes:
        raise UserError(
            f"the model was trained on {_few(labels)}, and {display(source.spec)} holds "
            f"{_few(source.classes)}"
        )
    if len(labels) != outputs:
        raise UserError(f"the model has {outputs} outputs, and there are {len(labels)} classes")
    return labels


def _few(names):
    return f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''} ({len(names)} classes)"
