"""What the check has to say: faults that stop a training, warnings that do not."""

from collections import Counter
from dataclasses import dataclass, field

from pipelines.check.names import display
from pipelines.check.rules import FILES
from pipelines.errors import UserError

IMAGE_RULES = {rule.name for rule in FILES}
EXAMPLES = 5  # files named under a warning on the terminal; --json names all


@dataclass(frozen=True)
class Finding:
    """One sentence on one subject, with the files that it is about."""

    rule: str
    text: str
    files: tuple[str, ...] = ()


@dataclass
class Findings:
    """Collected while a source is looked at, so that all is told at once."""

    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    skipped: list[Finding] = field(default_factory=list)  # under --bad-images skip
    ignored: Counter = field(default_factory=Counter)
    explained: set = field(default_factory=set)  # classes of which it is told why train has none

    def fault(self, rule, text, files=()):
        """Note what stops a training."""
        self.faults.append(Finding(rule, text, tuple(map(display, files))))

    def skip(self, rule, text, files=()):
        """Note what is left out because it cannot be used."""
        self.skipped.append(Finding(rule, text, tuple(map(display, files))))

    def warn(self, rule, text, files=()):
        """Note what a person should look at."""
        self.warnings.append(Finding(rule, text, tuple(map(display, files))))

    def stop(
        self, spec, advice="mend or remove what is bad, or leave it out with --bad-images skip"
    ):
        """Raise with all faults, if there are any.

        Args:
            spec: what they were found in.
            advice: what to do about bad images.

        Raises:
            BadSource: there are.
        """
        if self.faults:
            raise BadSource(spec, self, advice)


class BadSource(UserError):
    """A source with faults; `findings` holds them as data."""

    def __init__(self, spec, findings, advice):
        self.spec, self.findings = spec, findings
        faults = findings.faults
        images = sum(fault.rule in IMAGE_RULES for fault in faults)
        text = faults[0].text
        if len(faults) > 1:
            others = len(faults) - images
            rest = f" and {_many(others, 'other fault')}" if others else ""
            what = f"{_many(images, 'bad image')}{rest}" if images else _many(others, "fault")
            text = "\n  ".join([f"{what} in {display(spec)}:", *(fault.text for fault in faults)])
        if images:
            text += "; " if len(faults) == 1 else "\n"
            text += advice
        super().__init__(text)


def _many(count, what):
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def lines(warnings):
    """Warnings as lines for a terminal: each sentence, then a few of its files."""
    for finding in warnings:
        yield f"warning: {finding.text}"
        if len(finding.files) == 1 and finding.files[0] in finding.text:
            continue
        yield from (f"  {name}" for name in finding.files[:EXAMPLES])
        if len(finding.files) > EXAMPLES:
            yield f"  ... and {len(finding.files) - EXAMPLES:,} more (--json names all)"
