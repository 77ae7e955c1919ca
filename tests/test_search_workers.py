"""Several workers and their chief, killed; a search on real digits from end to end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from keras_cnns.search.results import DONE, FAILED
from keras_cnns.search.session import Session, begin
from keras_cnns.search.settings import Search
from keras_cnns.training import recipes
from pipelines.settings import resolve

ROOT = Path(__file__).parent.parent
# What a worker runs here in place of a training: numbers out of the widths, and a line of its own.
WORKER = """
import json, os, sys, time
from keras_cnns.search import supervise, work
from keras_cnns.search.session import Session
from tests.test_search import fake

supervise.end_with_parent()
session = Session.open(sys.argv[1])
evaluate = fake(session)

def slow(name, values, at_rung=None, kind="searched"):
    with open(session.out / "begun.txt", "a") as file:
        file.write(f"{name} {work.whoami()}\\n")
    if name in sys.argv[2:]:
        os.kill(os.getpid(), 9)
    time.sleep(0.4)
    return evaluate(name, values, at_rung, kind)

work.run(session, slow)
"""
SEARCH = """
import sys
from keras_cnns.search import supervise
from keras_cnns.search.session import Session

session = Session.open(sys.argv[1])
supervise.run(session, lambda: None, [sys.executable, sys.argv[2], *sys.argv[1:2], *sys.argv[3:]])
"""


def prepared(out, **search):
    search = {"trials": 10, "workers": 2, "baseline": "0.5", "oracle": "evolution"} | search
    job = {"model": "lenet", "data": "digits", "data_dir": None, "recipe": "plain"}
    job["training"] = recipes.Training(epochs=9)
    session = begin(out, job, resolve(Search(), search), {})
    session.write()
    return session


def started(out, tmp_path, *deadly):
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "search.py").write_text(SEARCH)
    words = [sys.executable, tmp_path / "search.py", out, tmp_path / "worker.py", *deadly]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
        environment.pop(name, None)
    return subprocess.Popen(list(map(str, words)), env=environment)


def begun(out):
    path = out / "begun.txt"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait(condition, process=None, seconds=240):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        assert process is None or process.poll() is None, "it ended"
        time.sleep(0.02)


def pids(out):
    return json.loads((out / "workers" / "pids.json").read_text())


def searched(out):
    return [name for name, _ in begun(out) if not name.startswith("uniform")]


@pytest.mark.slow
def test_killed_workers_and_a_killed_chief_lose_no_trial_and_repeat_none(tmp_path):
    out = tmp_path / "s"
    prepared(out)
    process = started(out, tmp_path)
    wait(lambda: len(searched(out)) >= 3, process)
    # The trial that worker-1 is at; it sleeps in it.
    wait(lambda: begun(out)[-1][1] == "worker-1", process)
    lost = begun(out)[-1][0]
    os.kill(pids(out)["worker-1"], signal.SIGKILL)
    os.kill(pids(out)["chief"], signal.SIGKILL)
    assert process.wait(240) == 0
    results = Session.open(out).results
    assert len(results.of(DONE, kind="searched")) == 10
    assert len(results.of(DONE, kind="uniform")) == 1
    assert [name for name, n in Counter(name for name, _ in begun(out)).items() if n > 1] == [lost]
    assert {worker for _, worker in begun(out)} == {"worker-0", "worker-1"}


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_without_repeating(tmp_path):
    out = tmp_path / "s"
    prepared(out)
    process = started(out, tmp_path)
    wait(lambda: len(Session.open(out).results.of(DONE, kind="searched")) >= 3, process)
    children = pids(out)
    process.kill()
    process.wait()
    # Its children follow it by themselves.
    wait(lambda: not any(is_alive(pid) for pid in children.values()), seconds=60)
    finished = {r["id"] for r in Session.open(out).results.of(DONE)}
    before = len(begun(out))
    assert started(out, tmp_path).wait(240) == 0
    assert not finished & {name for name, _ in begun(out)[before:]}
    results = Session.open(out).results.of(DONE, kind="searched")
    assert [r["id"] for r in sorted(results, key=lambda r: r["id"])] == [
        f"{i:04}" for i in range(10)
    ]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.slow
def test_a_trial_that_kills_its_worker_is_set_down_as_failed(tmp_path):
    out = tmp_path / "s"
    prepared(out, trials=4, baseline="none")
    assert started(out, tmp_path, "0001").wait(240) == 0
    results = Session.open(out).results
    (failed,) = results.of(FAILED)
    assert failed["id"] == "0001"
    assert "SIGKILL" in failed["reason"]
    assert len(results.of(DONE)) == 3
    assert searched(out).count("0001") == 3


@pytest.mark.slow
def test_a_search_on_digits_from_end_to_end(tmp_path, run, monkeypatch):
    monkeypatch.delenv("KERASTUNER_TUNER_ID", raising=False)
    out = tmp_path / "s"
    words = "search --model lenet --data digits --epochs 3 --trials 4 --baseline 1 --retrain 1"
    words += " --max-macs 200000 --rounds 20"
    status, output, errors = run("keras_cnns", *words.split(), "--out", out, "--json")
    assert status == 0, errors
    facts = json.loads(output.splitlines()[-1])
    assert facts["completed"] + facts["stopped_early"] + facts["failed"] == 4
    assert facts["failed"] == 0
    # The widest corner of the space has 274,656 multiply-adds.
    assert facts["refused_by"].get("max_macs", 0) >= 1
    session = Session.open(out)
    for result in session.results.of(DONE, kind="searched"):
        assert result["macs"] <= 200_000
        assert (out / "trials" / result["id"] / "model_uint8.tflite").stat().st_size == (
            result["bytes"]
        )
    assert facts["best"]["id"] in facts["front"]
    for name in ("front.csv", "trials.csv", "front.png", "index.html", "retrained.csv"):
        assert (out / name).stat().st_size > 0
    rows = {row["id"]: row for row in facts["retrained"]}
    assert rows.keys() == {*facts["front"], "uniform-1"}
    assert all(0 < row["tflite_accuracy"] <= 1 for row in rows.values())
    assert rows[facts["best"]["id"]]["test_images"] == 359
    for file in (out / "best.yaml", *out.rglob("config.yaml")):  # each is what --config takes
        recipes.of_config(yaml.safe_load(file.read_text()))
    page = (out / "index.html").read_text()
    for row in rows.values():
        assert f"{100 * row['tflite_accuracy']:.2f}%" in page.split("<h2>Every candidate")[0]
    _train_and_export(out, facts, run, tmp_path)


def _train_and_export(out, facts, run, tmp_path):
    best = yaml.safe_load((out / "best.yaml").read_text())
    words = ["--widths", out / "best.yaml", "--data", "digits", "--epochs", "1"]
    status, _, errors = run("keras_cnns", "train", *words, "--out", tmp_path / "run")
    assert status == 0, errors
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["model"], config["widths"]) == (best["model"], best["widths"])
    status, output, _ = run("keras_cnns", "show", out / "best.yaml")
    assert status == 0
    assert f"widths {', '.join(f'{w:g}' for w in best['widths'])}" in output
    trial = out / "trials" / facts["best"]["id"]
    words = ["--formats", "uint8", "--max-drop", "5", "--images", "100"]
    status, _, errors = run("export", "bundle", trial, "--out", tmp_path / "bundle", *words)
    assert status == 0, errors
    hparams = list((out / "tensorboard").glob("events.*"))
    assert hparams
    _look_at_hparams(out / "tensorboard", facts)


def _look_at_hparams(folder, facts):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    trial = EventAccumulator(str(folder / facts["best"]["id"]), {"tensors": 0})
    trial.Reload()
    content = trial.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert set(start.hparams) == {f"width_{i}" for i in range(4)}
    assert {"accuracy", "tflite_accuracy", "latency", "bytes"} <= set(trial.Tags()["tensors"])


@pytest.mark.slow
def test_a_search_in_which_all_fail_ends_with_3(tmp_path, run, monkeypatch):
    monkeypatch.delenv("KERASTUNER_TUNER_ID", raising=False)
    words = "search --model lenet --data digits --epochs 1 --trials 2 --baseline none"
    words = [*words.split(), "optimizer.name=sgd", "learning_rate=1e30"]
    status, _, errors = run("keras_cnns", *words, "--out", tmp_path / "s")
    assert status == 3
    assert "2 failed" in errors
    assert not (tmp_path / "s" / "best.yaml").exists()
