"""Knobs: each is spelt once, as a field of a frozen dataclass with a default and a comment.

Its flag, its place in a YAML file and its check all come from that field. A field may be a group:
a frozen dataclass of its own, whose knobs are named with a dot, `optimizer.learning_rate`. Where
only one group has a knob of that name, the name alone will do.
"""

import dataclasses
import math
from typing import NamedTuple, get_args, get_origin, get_type_hints

from pipelines.errors import UserError, did_you_mean

WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def knob(default, help, *, low=None, high=None, choices=None):
    """Return a dataclass field with what its flag and its check need to know."""
    limits = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=limits)


class Knob(NamedTuple):
    """One knob of a dataclass or of a group in it."""

    name: str  # with the group: "optimizer.momentum"
    field: dataclasses.Field
    type: type  # of a value; of one element, where the value is a tuple
    many: bool  # whether the value is a tuple
    optional: bool  # whether it may be None


def knobs(settings):
    """{name with its group: Knob} of a dataclass, in order."""
    found, hints = {}, get_type_hints(settings)
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            inner = knobs(hint).values()
            found |= {k.name: k for k in (k._replace(name=f"{field.name}.{k.name}") for k in inner)}
            continue
        optional = type(None) in get_args(hint)
        if optional:
            hint = next(kind for kind in get_args(hint) if kind is not type(None))
        many = get_origin(hint) is tuple
        kind = get_args(hint)[0] if many else hint
        found[field.name] = Knob(field.name, field, kind, many, optional)
    return found


def add_flags(parser, settings):
    """Add one flag for each knob that lies in no group; one not given is absent.

    The knobs of groups are listed below the flags: they are set by key=value.
    """
    grouped = []
    for name, knob in knobs(settings).items():
        metavar = {int: "N", float: "X", str: "NAME", bool: "YES|NO"}[knob.type]
        if "." in name:
            grouped.append(f"  {name}={_shown(knob.field.default)}  {knob.field.metadata['help']}")
            continue
        default = "" if knob.field.default is None else f" (default: {_shown(knob.field.default)})"
        flag = "--" + name.replace("_", "-")
        help = knob.field.metadata["help"] + default
        parser.add_argument(flag, help=help, default=None, metavar=metavar)
    if grouped:
        parser.epilog = "\n".join(["settings, as key=value:", *grouped])


def _shown(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(f"{number:g}" for number in value)
    return "none" if value is None else value


def resolve(base, changes):
    """Return `base` with `changes`, checked.

    Args:
        changes: {knob: value or text}, by full name or by the last part of it where that is
            clear; or nested mappings, as in a YAML file.

    Raises:
        UserError: an unknown knob, a value of the wrong type, out of range or not a choice, or
            values that do not go together.
    """
    known, names = knobs(type(base)), {}
    for name, value in flat(changes).items():
        knob = known[_full_name(name, known)]
        if names.setdefault(knob.name, name) != name:
            raise UserError(f"{names[knob.name]} and {name} are the same setting; leave one out")
        base = _replaced(base, knob.name.split("."), _checked(knob, value))
    _check_together(base)
    return base


def _check_together(settings):
    """Let a dataclass or a group of it refuse values that do not go together, by its `check`."""
    for field in dataclasses.fields(settings):
        if dataclasses.is_dataclass(group := getattr(settings, field.name)):
            _check_together(group)
    if hasattr(settings, "check"):
        settings.check()


def flat(settings):
    """{full name: value} of nested mappings."""
    found = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": v for inner, v in flat(value).items()}
        else:
            found[name] = value
    return found


def plain(settings):
    """A dataclass as what YAML and JSON can hold: mappings and lists."""

    def mapping(items):
        return {name: list(v) if isinstance(v, tuple) else v for name, v in items}

    return dataclasses.asdict(settings, dict_factory=mapping)


def full_name(name, settings):
    """The name of a knob with its group, by its full name or the last part of that.

    Args:
        settings: a dataclass or one's instance.

    Raises:
        UserError: there is none, or there are several.
    """
    return _full_name(name, knobs(settings if isinstance(settings, type) else type(settings)))


def _full_name(name, known):
    key = name.replace("-", "_")
    if key in known:
        return key
    short = {}
    for full in known:
        short.setdefault(full.rpartition(".")[2], []).append(full)
    matches = short.get(key, [])
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{name!r} could be {' or '.join(matches)}; write which")
    raise UserError(f"no setting is named {name!r}; {_near(key, known, short)}")


def _near(key, known, short):
    """Near misses by full name, or by the part after the dot."""
    hint = did_you_mean(key, known)
    if hint.startswith("did"):
        return hint
    import difflib

    near = difflib.get_close_matches(key.rpartition(".")[2], short, n=3, cutoff=0.5)
    return did_you_mean(short[near[0]][0], short[near[0]]) if near else hint


def _replaced(base, path, value):
    name, *rest = path
    if rest:
        value = _replaced(getattr(base, name), rest, value)
    return dataclasses.replace(base, **{name: value})


def _checked(knob, value):
    if value is None or (knob.optional and str(value).lower() == "none"):
        if not knob.optional:
            raise UserError(f"{knob.name} needs a value")
        return None
    if not knob.many:
        return _checked_one(knob, value)
    parts = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise UserError(f"{knob.name} is a list of numbers, not {value!r}")
    return tuple(_checked_one(knob, part) for part in parts)


def _checked_one(knob, value):
    try:
        value = _converted(knob.type, value)
    except (TypeError, ValueError, KeyError, OverflowError):
        wanted = {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}
        raise UserError(f"{knob.name} is {wanted[knob.type]}, not {value!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{knob.name} is a finite number, not {value}")
    low, high, choices = (knob.field.metadata[key] for key in ("low", "high", "choices"))
    if choices is not None and value not in choices:
        raise UserError(f"{knob.name} cannot be {value!r}; {did_you_mean(value, choices)}")
    if (low is not None and value < low) or (high is not None and value > high):
        limits = " and ".join(
            f"{word} {limit}"
            for word, limit in (("at least", low), ("at most", high))
            if limit is not None
        )
        raise UserError(f"{knob.name} is {limits}, not {value}")
    return value


def _converted(kind, value):
    if kind is bool:
        return value if isinstance(value, bool) else WORDS[str(value).lower()]
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise ValueError
    return kind(value)


def asked(args, settings):
    """{knob: text} of the flags and the key=value words that the user gave.

    Raises:
        UserError: of `key_values`; a flag and a word that say different things of one knob.
    """
    flags, words = given(args, settings), key_values(args.settings)
    for name, value in flags.items():
        if words.get(name, value) != value:
            raise UserError(f"{name} is given twice, as {value} and {words[name]}; leave one out")
    return flags | words


def key_values(pairs):
    """Return {key: text} of words such as "learning_rate=0.01".

    Raises:
        UserError: a word without "=", or two that say different things of one key.
    """
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"{pair!r} is no setting; write it as key=value")
    found = {}
    for key, value in (pair.split("=", 1) for pair in pairs):
        if found.setdefault(key, value) != value:
            raise UserError(f"{key} is given twice, as {found[key]} and {value}; leave one out")
    return found


def given(args, settings):
    """{knob: text} of the flags that the user gave, out of parsed arguments."""
    values = {name: getattr(args, name, None) for name in knobs(settings)}
    return {name: value for name, value in values.items() if value is not None}
