"""Knobs: each is spelt once, as a field of a frozen dataclass with a default and a comment.

Its flag, its place in a YAML file and its check all come from that field.
"""

import dataclasses
from typing import get_args, get_type_hints

from pipelines.errors import UserError, did_you_mean


def knob(default, help, *, low=None, high=None, choices=None):
    """Return a dataclass field with what its flag and its check need to know."""
    limits = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=limits)


def add_flags(parser, settings):
    """Add one flag for each knob of the dataclass `settings`; one not given is absent."""
    for field in dataclasses.fields(settings):
        flag = "--" + field.name.replace("_", "-")
        default = "" if field.default is None else f" (default: {field.default})"
        help = field.metadata["help"] + default
        parser.add_argument(flag, help=help, default=None, metavar=_metavar(settings, field))


def _metavar(settings, field):
    return {int: "N", float: "X", str: "NAME"}[_type(settings, field.name)]


def _type(settings, name):
    hint = get_type_hints(settings)[name]
    return next((t for t in get_args(hint) if t is not type(None)), hint)


def resolve(base, changes):
    """Return `base` with `changes`, a mapping of knob to value or text, checked.

    Raises:
        UserError: an unknown knob, a value of the wrong type, out of range or not a choice.
    """
    settings = type(base)
    fields = {field.name: field for field in dataclasses.fields(settings)}
    values = {}
    for name, value in changes.items():
        key = name.replace("-", "_")
        if key not in fields:
            raise UserError(f"no setting is named {name!r}; {did_you_mean(key, fields)}")
        values[key] = _checked(settings, fields[key], value)
    return dataclasses.replace(base, **values)


def _checked(settings, field, value):
    kind = _type(settings, field.name)
    if value is None or (field.default is None and str(value).lower() == "none"):
        if field.default is not None:
            raise UserError(f"{field.name} needs a value")
        return None
    try:
        value = kind(value)
    except (TypeError, ValueError):
        wanted = {int: "a whole number", float: "a number"}[kind]
        raise UserError(f"{field.name} is {wanted}, not {value!r}") from None
    low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
    if choices is not None and value not in choices:
        raise UserError(f"{field.name} cannot be {value!r}; {did_you_mean(value, choices)}")
    # Written so that a NaN, which no comparison holds for, is refused too.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        limits = " and ".join(
            f"{word} {limit}"
            for word, limit in (("at least", low), ("at most", high))
            if limit is not None
        )
        raise UserError(f"{field.name} is {limits}, not {value}")
    return value


def key_values(pairs):
    """Return {key: text} of words such as "learning_rate=0.01".

    Raises:
        UserError: a word without "=".
    """
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"{pair!r} is no setting; write it as key=value")
    return dict(pair.split("=", 1) for pair in pairs)


def given(args, settings):
    """{knob: text} of the flags that the user gave, out of parsed arguments."""
    values = {field.name: getattr(args, field.name) for field in dataclasses.fields(settings)}
    return {name: value for name, value in values.items() if value is not None}
