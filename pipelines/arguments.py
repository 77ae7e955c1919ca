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

    def parse_args(self, args=None, namespace=None):
        """Parse, after looking for unknown flags: argparse would first ask for missing ones."""
        for word in args:
            if word == "--":  # what follows is for another command
                break
            flag = word.split("=")[0]
            known = self._option_string_actions
            if flag.startswith("--") and flag not in known:
                self.error(f"unknown flag {flag}; {did_you_mean(flag, known)}")
        # key=value words may stand between flags; argparse by itself takes the first row of them.
        parse = super().parse_args if "--" in args else super().parse_intermixed_args
        return parse(args, namespace)
