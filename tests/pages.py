"""What stands on the pages: their fenced blocks, their links, and the commands of both.

A block `sh` is run, all of it, in the order of its page, by test_pages.py; `sh not-run: REASON` is
parsed alone. A fence without a language is refused, so that no command hides in one.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
PAGES = [page for page in PAGES if "_build" not in page.parts]
LANGUAGES = {"sh", "text", "python", "kotlin", "swift", "json", "yaml", "c"}
OURS = re.compile(r"python -m (keras_cnns|pipelines|export) ")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str  # its path below the project's folder
    line: int
    language: str
    note: str  # what follows the language
    text: str


def blocks(page):
    """The fenced blocks of a page, those of directives left out."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", text, re.M):
        indent, info, body = match.groups()
        if info.startswith("{"):
            continue
        language, _, note = info.partition(" ")
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        line = text[: match.start()].count("\n") + 1
        found.append(
            Block(str(page.relative_to(ROOT)), line, language, note, "\n".join(lines) + "\n")
        )
    return found


def commands(text):
    """(environment, words) of each command of a shell block, comments left out."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        words = shlex.split(line, comments=True)
        assigned = [word for word in words if re.match(r"[A-Z_]+=", word)]
        rest = words[len(assigned) :] if words[: len(assigned)] == assigned else words
        if rest:
            yield dict(word.split("=", 1) for word in assigned if word not in rest), rest


def inline(page):
    """Our commands in the running text of a page, as words."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^( *)```.*\n(?:.*\n)*?\1```$", "", text, flags=re.M)
    for span in re.findall(r"`([^`]+)`", text):
        span = " ".join(span.split())
        if OURS.match(span + " "):
            yield shlex.split(span)


def links(page):
    """(target, anchor) of each link and picture of a page that leads to a file or a heading."""
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)>?\s*\)", text):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


def anchors(page):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
