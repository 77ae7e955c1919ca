"""model.json, the card of a bundle: what it holds, and whether that is still so."""

import hashlib
import json
from pathlib import Path

from pipelines.check.names import find_folder
from pipelines.errors import DamagedFile, UserError
from pipelines.files import write_json

MARKER = "model.json"
REPORT = "verify.json"
SEAL = "sha256"  # of all that the card says beside it


def write_card(folder, card):
    """Write a bundle's model.json, sealed."""
    write_json(Path(folder) / MARKER, card | {SEAL: _digest(card)})


def _digest(card):
    """sha256 of a card's contents, whatever the order and the spaces of its text."""
    told = {key: value for key, value in card.items() if key != SEAL}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_card(folder):
    """The contents of a bundle's model.json.

    Raises:
        UserError: the folder is no bundle.
        DamagedFile: its card is no card, or was changed since it was written.
    """
    find_folder(folder)
    file = Path(folder) / MARKER
    if not file.is_file():
        raise UserError(f"{folder} is no bundle: it holds no {MARKER}")
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFile(f"{file} is damaged: {error}") from None
    if not isinstance(card, dict) or not {"keras", "formats", "labels"} <= card.keys():
        raise DamagedFile(f"{file} is damaged, or that of something else: it names no formats")
    if card.get(SEAL) != _digest(card):
        raise DamagedFile(
            f"{file} was changed since the bundle was made (sha256 differs); make the bundle again"
        )
    return card


def read_report(folder):
    """The contents of a bundle's verify.json; empty where it holds nothing."""
    try:
        report = json.loads((Path(folder) / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def check_hashes(folder, card):
    """Refuse files that are missing or changed since the bundle was made.

    The report alone may be another: `verify` writes it anew, and a kill may come before the card
    is told.

    Raises:
        DamagedFile: a file is missing, changed, or lies outside of the bundle.
    """
    made = [card["keras"], *card["formats"].values()]
    for name, entry in [*((e["file"], e) for e in made), *card.get("files", {}).items()]:
        file = Path(folder) / name
        if not file.resolve().is_relative_to(Path(folder).resolve()):
            raise DamagedFile(f"{Path(folder) / MARKER} names {name}, which lies outside")
        if name != REPORT:
            check_hash(file, entry)


def check_hash(file, entry):
    """Refuse one file that is missing or changed since its entry was written."""
    if not file.is_file():
        raise DamagedFile(f"{file} is missing; make the bundle again")
    if hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
        raise DamagedFile(f"{file} was changed since the bundle was made (sha256 differs)")
