"""What a search chose, read from its best.yaml, and widths from any file of them."""

from pathlib import Path

from export import yaml_file
from keras_cnns.derived import base_of
from pipelines.errors import UserError


def read(path):
    """{"model", "widths", "image_size", "classes", "channels", "tuned"} of a best.yaml, if there.

    Args:
        path: a YAML file; widths by themselves, or text that is no file, hold no network.

    Returns:
        An empty dict where there is none.
    """
    path = Path(str(path))
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return {}
    config = yaml_file.read(path)
    if not isinstance(config, dict) or "widths" not in config:
        return {}
    facts = {key: config[key] for key in ("model", "widths", "image_size") if config.get(key)}
    told = config.get("found") if isinstance(config.get("found"), dict) else {}
    return facts | {key: told[key] for key in ("classes", "channels", "tuned") if told.get(key)}


def model_of(path, asked):
    """The network to build for the widths in a file.

    Args:
        path: of `read`.
        asked: the network that the user named; None, that of the file.

    Returns:
        The file's network where it is the one asked for, with what a search changed besides the
        widths; else what was asked for.

    Raises:
        UserError: the file was found for another network.
    """
    model = read(path).get("model")
    if model is None or asked in (None, model):
        return asked or model
    if base_of(model) != asked:
        raise UserError(f"{path} holds widths of {model}, not of {asked}; leave out --model")
    return model


def widths(text):
    """Multipliers of channels: numbers with commas, or a YAML file of a list of them.

    Raises:
        UserError: no such file, or other things in it.
    """
    path = Path(text)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return text
    if not path.is_file():
        raise UserError(f"no file {path} of widths")
    found = yaml_file.parse(path)
    found = found.get("widths") if isinstance(found, dict) else found
    if not isinstance(found, list) or not found:
        raise UserError(f"{path} holds no list of widths, such as [1, 0.5, 1]")
    return found
