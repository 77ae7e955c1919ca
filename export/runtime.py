"""LiteRT.js, which runs .tflite files in a browser: pinned, checked, fetched only when told to.

It is looked for in folders named node_modules and in the user's cache. Wherever it was found,
each file is held to its sha256, and a package that npm fetched to its sha512.
"""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from pipelines.errors import DamagedFile, EnvironmentFault, UserError
from pipelines.files import cache_folder, whole_folder

VERSION = "2.5.3"
PACKAGES = {  # name: integrity of its .tgz, as the registry states it
    "@litertjs/core": (
        "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ=="
    ),
    "@litertjs/wasm-utils": (
        "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ=="
    ),
}
FILES = {  # path below runtime/: (package, path in it, sha256)
    "index.js": (
        "@litertjs/core",
        "dist/index.js",
        "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
    ),
    "wasm-utils.js": (
        "@litertjs/wasm-utils",
        "dist/index.js",
        "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2",
    ),
    "wasm/litert_wasm_internal.js": (
        "@litertjs/core",
        "wasm/litert_wasm_internal.js",
        "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
    ),
    "wasm/litert_wasm_internal.wasm": (
        "@litertjs/core",
        "wasm/litert_wasm_internal.wasm",
        "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
    ),
    "wasm/litert_wasm_compat_internal.js": (
        "@litertjs/core",
        "wasm/litert_wasm_compat_internal.js",
        "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
    ),
    "wasm/litert_wasm_compat_internal.wasm": (
        "@litertjs/core",
        "wasm/litert_wasm_compat_internal.wasm",
        "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
    ),
}
FETCH = "--fetch-runtime"


def cache():
    """The folder that `fetch` fills."""
    return cache_folder() / f"litertjs-{VERSION}"


def find(bundle, folder=None):
    """{path below runtime/: file} of the runtime, where it is whole.

    Args:
        bundle: beside it and here, node_modules is looked for.
        folder: a node_modules folder, which alone is then looked at.

    Raises:
        UserError: it is nowhere.
        DamagedFile: all there is is another version, or damaged.
    """
    here = [Path.cwd(), Path(bundle), Path(bundle).absolute().parent]
    places = [Path(folder)] if folder else [*(p / "node_modules" for p in here), cache()]
    damaged = None
    for place in places:
        files = _files(place)
        if all(file.is_file() for file in files.values()):
            try:
                return _checked(files)
            except DamagedFile as error:
                damaged = damaged or error
    if damaged:
        raise damaged
    raise UserError(
        f"the page runs on LiteRT.js {VERSION}, which is not in "
        f"{folder or 'node_modules here or beside the bundle, nor fetched before'}; add {FETCH} "
        f"once to get it by npm (11 MB), or npm install {' '.join(_specs())}"
    )


def _files(place):
    return {name: place / package / inside for name, (package, inside, _) in FILES.items()}


def _specs():
    return [f"{package}@{VERSION}" for package in PACKAGES]


def _checked(files):
    for name, file in files.items():
        if hashlib.sha256(file.read_bytes()).hexdigest() != FILES[name][2]:
            raise DamagedFile(
                f"{file} is not that of LiteRT.js {VERSION} (sha256 differs); {FETCH} gets it"
            )
    return files


def fetch_or_find(bundle, folder=None):
    """As `find`, fetching the runtime where it is nowhere whole."""
    try:
        return find(bundle, folder)
    except UserError:
        if folder:
            raise
    fetch()
    return _checked(_files(cache()))


def fetch():
    """Have npm pack the pinned packages, check them, and keep the files in the cache.

    Raises:
        EnvironmentFault: npm is missing, or could not get them.
        DamagedFile: what came is not what was pinned.
    """
    npm = shutil.which("npm")
    if not npm:
        raise EnvironmentFault("npm is not installed; it comes with Node.js")
    with tempfile.TemporaryDirectory() as temporary, whole_folder(cache()) as place:
        command = [npm, "pack", "--json", "--ignore-scripts", *_specs()]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason"]
            raise EnvironmentFault(f"npm could not fetch LiteRT.js {VERSION}: {lines[0]}")
        for archive in json.loads(done.stdout):
            # npm 7 to 9.1 names the file of a scoped package otherwise than it writes it.
            file = archive["filename"].replace("@", "").replace("/", "-")
            _unpack(archive["name"], Path(temporary) / file, place)


def _unpack(package, archive, place):
    content = archive.read_bytes()
    _check_archive(package, content)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as members:
        for owner, inside, _ in FILES.values():
            if owner == package:
                file = place / package / inside
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(members.extractfile(f"package/{inside}").read())


def _check_archive(package, content):
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if PACKAGES.get(package) != f"sha512-{digest}":
        raise DamagedFile(f"npm brought another {package} than {VERSION} (sha512 differs)")
