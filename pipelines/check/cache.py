"""What was found about files that have not changed since: in the user's cache folder alone.

A file is known again by its path, size, times of change and inode; everything is forgotten when the
rules or a decoder change. A cache that is damaged or cannot be written is only ignored.
"""

import contextlib
import hashlib
import json
import os
import time
from importlib.metadata import version

from pipelines.check.rules import VERSION
from pipelines.errors import EnvironmentFault
from pipelines.files import cache_folder, whole_file

DECODERS = ("tensorflow", "pillow", "simplejpeg")
DAYS = 90  # after which a cache that nobody used is removed


def folder():
    """Where the caches of checks lie."""
    return cache_folder() / "check"


def stamp(path):
    """What changes when a file does.

    Raises:
        OSError: it cannot be looked at.
    """
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


class Cache:
    """{path: plain data} of one source, each valid as long as the file's stamp is the same.

    Args:
        name: what tells this source, and how it is checked, from others.
    """

    def __init__(self, name):
        parts = [name, str(VERSION), *(f"{d} {version(d)}" for d in DECODERS)]
        digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        self.file = folder() / f"{digest[:32]}.json"
        self.known, self.changed = self._load(), False

    def _load(self):
        try:
            head, _, body = self.file.read_bytes().partition(b"\n")
            if hashlib.blake2b(body).hexdigest().encode() != head:
                return {}
            os.utime(self.file)
            return json.loads(body)
        except (OSError, ValueError):
            return {}

    def get(self, path, now):
        """What was found about the file when its stamp was `now`, else None."""
        then, value = self.known.get(path, (None, None))
        return value if then == now else None

    def put(self, path, now, value):
        """Remember what was found about a file at this stamp."""
        self.known[path], self.changed = (now, value), True

    def save(self, paths):
        """Write the cache of these paths, whole or not at all."""
        paths = set(paths)
        if not self.changed and len(paths) == len(self.known):
            return
        body = json.dumps({p: v for p, v in self.known.items() if p in paths}).encode()
        with contextlib.suppress(OSError, EnvironmentFault):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.file) as temporary:
                temporary.write_bytes(hashlib.blake2b(body).hexdigest().encode() + b"\n" + body)
            _forget_old(self.file.parent)


def _forget_old(place):
    for file in place.glob("*.json"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > DAYS * 86400:
                file.unlink()
