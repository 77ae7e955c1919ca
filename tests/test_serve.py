"""The page's server gives what the bundle lists, to this machine, and nothing else."""

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from export import card as cards
from export import runtime, serve
from pipelines.errors import DamagedFile, EnvironmentFault, UserError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bundle(tmp_path):
    """A folder that looks like a bundle, beside a secret."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "bundle"
    contents = {
        "index.html": "<p>page</p>",
        "web/app.js": "1",
        "model.keras": "keras",
        "model_uint8.tflite": "bytes",
        "samples/a b.png": "png",
        "notes.wasm": "wasm",
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    from export.making import entry

    card = {
        "name": "tiny",
        "labels": ["a", "b"],
        "keras": {"file": "model.keras"} | entry(folder / "model.keras"),
        "formats": {"uint8": {"file": "model_uint8.tflite"} | entry(folder / "model_uint8.tflite")},
        "files": {name: entry(folder / name) for name in contents},
    }
    cards.write_card(folder, card)
    (folder / "unlisted.txt").write_text("unlisted")
    return folder


@pytest.fixture
def ask(bundle):
    """Call the server of that bundle: (status, headers, body)."""
    files = serve.table(bundle, cards.read_card(bundle), {})
    with serve.server(files, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def call(path, *, method="GET", host=None):
            connection = http.client.HTTPConnection(*server.server_address, timeout=10)
            connection.putrequest(method, path, skip_host=host is not None)
            if host is not None:
                connection.putheader("Host", host)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

        yield call
        server.shutdown()


@pytest.mark.parametrize(
    "path, kind, body",
    [
        ("/", "text/html; charset=utf-8", b"<p>page</p>"),
        ("/index.html?x=1#y", "text/html; charset=utf-8", b"<p>page</p>"),
        ("/web/app.js", "text/javascript; charset=utf-8", b"1"),
        ("/samples/a%20b.png", "image/png", b"png"),
        ("/notes.wasm", "application/wasm", b"wasm"),
        ("/model_uint8.tflite", "application/octet-stream", b"bytes"),
    ],
)
def test_listed_files_are_served_with_their_types(ask, path, kind, body):
    status, headers, content = ask(path)
    assert (status, headers["Content-Type"], content) == (200, kind, body)
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(path, method="HEAD")[::2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/web/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/unlisted.txt",
        "/samples/",
        "/web",
        "/%00",
    ],
)
def test_no_path_leads_out_of_the_list(ask, path):
    assert ask(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent(ask, method):
    assert ask("/", method=method)[0] == 501


def test_another_hosts_name_that_points_here_is_refused(ask):
    assert ask("/", host="evil.example:80")[0] == 421
    assert ask("/", host="localhost:80")[0] == 200
    assert ask("/", host="127.0.0.1")[0] == 200
    assert ask("/", host="[bad")[0] in (400, 421)


def test_a_card_that_names_files_outside_is_refused(bundle):
    card = cards.read_card(bundle)
    cards.check_hashes(bundle, card)
    from export.making import entry

    card["files"]["../secret.txt"] = entry(bundle / "../secret.txt")
    with pytest.raises(DamagedFile, match="outside"):
        cards.check_hashes(bundle, card)


def test_a_bundle_without_a_page_is_refused(bundle):
    card = cards.read_card(bundle)
    del card["files"]["index.html"]
    with pytest.raises(UserError, match="no index.html"):
        serve.table(bundle, card, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_damaged_card_is_refused_with_5(bundle, text):
    (bundle / "model.json").write_text(text)
    with pytest.raises(DamagedFile) as caught:
        cards.read_card(bundle)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card["labels"].reverse(),
        lambda card: card.update(formats={}),
        lambda card: card["formats"]["uint8"].update(file=3),
        lambda card: card.pop("files"),
        lambda card: card.pop("sha256"),
    ],
)
def test_an_edited_card_is_refused_with_5(bundle, run, edit):
    card = json.loads((bundle / "model.json").read_text())
    edit(card)
    (bundle / "model.json").write_text(json.dumps(card))
    for words in (["serve", bundle, "--port", "0"], ["verify", bundle], ["bench", bundle]):
        status, _, errors = run("export", *words)
        assert status == 5 and "model.json was changed since" in errors


def test_a_card_may_be_written_with_other_spaces(bundle):
    text = json.dumps(json.loads((bundle / "model.json").read_text()), indent=7)
    (bundle / "model.json").write_text(text)
    assert cards.read_card(bundle)["name"] == "tiny"


def test_a_taken_port_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EnvironmentFault, match="is taken") as caught:
            serve.server({}, *taken.getsockname())
    assert caught.value.exit_code == 4


def test_a_runtime_that_is_nowhere_is_said_with_the_way_to_it(run, bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    status, _, errors = run("export", "serve", bundle)
    assert status == 2
    assert "--fetch-runtime" in errors and "npm install @litertjs/core@" in errors


def test_a_runtime_that_was_changed_is_refused(bundle, tmp_path):
    modules = tmp_path / "node_modules"
    for package, inside, _ in runtime.FILES.values():
        (modules / package / inside).parent.mkdir(parents=True, exist_ok=True)
        (modules / package / inside).write_text("changed")
    with pytest.raises(DamagedFile, match="sha256"):
        runtime.find(bundle, modules)


NPM = """#!{python}
import json, sys, tarfile, io
with tarfile.open("core.tgz", "w:gz") as archive:
    archive.addfile(tarfile.TarInfo("package/dist/index.js"), io.BytesIO())
print(json.dumps([{{"name": "@litertjs/core", "filename": "core.tgz"}}]))
"""


@pytest.mark.parametrize(
    "npm, error, message",
    [
        (None, EnvironmentFault, "npm is not installed"),
        (
            "#!/bin/sh\necho 'npm error network' >&2; exit 1\n",
            EnvironmentFault,
            "npm error network",
        ),
        (NPM.format(python=sys.executable), DamagedFile, "sha512 differs"),
    ],
)
def test_what_npm_brings_is_checked(tmp_path, monkeypatch, npm, error, message):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    if npm:
        (tmp_path / "npm").write_text(npm)
        (tmp_path / "npm").chmod(0o755)
    with pytest.raises(error, match=message):
        runtime.fetch()
    assert not runtime.cache().exists()


NPM_7 = """#!{python}
import json, tarfile, io, os
def packed(name, members):
    with tarfile.open(name.replace("@", "").replace("/", "-") + "-1.tgz", "w:gz") as archive:
        for inside in members:
            info = tarfile.TarInfo("package/" + inside)
            info.size = len(inside)
            archive.addfile(info, io.BytesIO(inside.encode()))
    return {{"name": name, "filename": name + "-1.tgz"}}
print(json.dumps([packed(name, members) for name, members in {members}.items()]))
"""


def test_a_runtime_of_another_version_is_passed_over_for_the_one_fetched(
    bundle, tmp_path, monkeypatch
):
    members = {}
    for package, inside, _ in runtime.FILES.values():
        members.setdefault(package, []).append(inside)
        file = tmp_path / "node_modules" / package / inside
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("of another version")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "npm").write_text(NPM_7.format(python=sys.executable, members=members))
    (tmp_path / "npm").chmod(0o755)
    pinned = {
        name: (package, inside, hashlib.sha256(inside.encode()).hexdigest())
        for name, (package, inside, _) in runtime.FILES.items()
    }
    monkeypatch.setattr(runtime, "FILES", pinned)
    monkeypatch.setattr(runtime, "_check_archive", lambda *_: None)
    with pytest.raises(DamagedFile, match="--fetch-runtime"):
        runtime.find(bundle)
    files = runtime.fetch_or_find(bundle)
    assert {file.read_text() for file in files.values()} == {i for _, i, _ in pinned.values()}
    assert runtime.find(bundle) == files  # from then on without fetching


@pytest.mark.parametrize("stop, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_until_it_is_stopped(bundle, tmp_path, monkeypatch, stop, status):
    modules = tmp_path / "node_modules"
    monkeypatch.setattr(runtime, "FILES", {})
    script = (
        "import sys; from export import __main__, runtime; runtime.FILES.clear(); "
        "sys.exit(__main__.cli.main('export', '', __main__.COMMANDS, sys.argv[1:]))"
    )
    words = ["serve", str(bundle), "--port", "0", "--runtime", str(modules)]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    url = process.stdout.readline().split()[1]
    assert url.startswith("http://127.0.0.1:")
    process.send_signal(stop)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert errors.splitlines()[-1].endswith("serve: stopped")


def test_a_changed_file_is_not_served(run, bundle):
    (bundle / "model_uint8.tflite").write_text("other")
    status, _, errors = run("export", "serve", bundle)
    assert status == 5
    assert "sha256 differs" in errors
