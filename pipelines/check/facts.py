"""What is found about one image file, as plain data for child processes and the cache."""

from dataclasses import dataclass

from pipelines.check.rules import RULES

AS_IS, MEND, CONVERT = 0, 1, 2  # what must be done to the bytes before they are decoded


@dataclass(frozen=True)
class ImageFacts:
    """What must be known of a file to decode it right and to recognise it again."""

    width: int  # as stored, before the EXIF orientation
    height: int
    orientation: int  # EXIF, 1..8; 1 where the file is converted, which turns it
    grey: bool
    alpha: bool  # declares transparency; False where the file is converted
    digest: str  # of the file's bytes
    form: int = AS_IS  # AS_IS, MEND (add the end marker) or CONVERT; see `convert.plain`
    warnings: tuple[str, ...] = ()  # names of rules


class Fault(Exception):
    """Why a file cannot be used, as the end of a sentence that begins with its name."""

    def __init__(self, rule, **blanks):
        super().__init__(RULES[rule].says.format(**blanks))
        self.rule, self.blanks = rule, blanks


def told(name, facts):
    """The sentence of a warning about an image."""
    return RULES[name].says.format(width=facts.width, height=facts.height)
