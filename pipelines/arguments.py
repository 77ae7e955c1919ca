"""Flags of one subcommand, and a clear word where they are wrong."""

import argparse

from pipelines.errors import did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a wrong flag with the nearest right one."""

    def __init__(self, *args, **options):
        super().__init__(*args, allow_abbrev=False, **options)

    def error(self, message):
        """Print one sentence and leave with status 2."""
        self.exit(2, f"{self.prog}: {message}\nsee: {self.prog} --help\n")

    def _check_value(self, action, value):
        # argparse has no public word for what it says of a choice that there is not.
        if action.choices is not None and value not in action.choices:
            near = did_you_mean(value, action.choices)
            raise argparse.ArgumentError(action, f"no choice is named {value!r}; {near}")

    def parse_args(self, args=None, namespace=None):
        """Parse, after looking for unknown flags: argparse would first ask for missing ones."""
        known = self._option_string_actions
        own = args[: args.index("--")] if "--" in args else args  # the rest is another command's
        flags = dict.fromkeys(word.split("=")[0] for word in own if word.startswith("--"))
        unknown = [f"{flag}; {did_you_mean(flag, known)}" for flag in flags if flag not in known]
        if unknown:
            self.error("\n".join(f"unknown flag {what}" for what in unknown))
        # key=value words may stand between flags; argparse by itself takes the first row of them.
        parse = super().parse_args if "--" in args else super().parse_intermixed_args
        return parse(args, namespace)
