"""Do the fronts of pareto and evolution enclose more than those of random and uniform widths?

`fronts` runs whole searches, each method with the same trials, epochs, images and seeds. It prints
the hypervolume of each front in accuracy of the uint8 .tflite and its latency ratio, between the
point (accuracy 0, latency `--corner`) and (1, 0); all latencies are measured again at the end.
`workers` times two workers beside one. `overhead` tells what a search costs beside its trainings.
What was finished is not run again. Other flags and settings go to `search` as they are.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from shlex import split

from pipelines import cli

METHODS = ("uniform", "random", "evolution", "pareto")


def search(out, words, *, workers=1):
    """Run a search to its end, or take it up; return what summary.json holds."""
    out = Path(out)
    summary = out / "summary.json"
    if not summary.exists():
        begun = (out / "search.yaml").exists()
        how = ["--resume"] if begun else split(words)
        command = [sys.executable, "-m", "keras_cnns", "search", *how, "--out", str(out)]
        command += ["--workers", str(workers)]
        subprocess.run(command, check=True)
    return json.loads(summary.read_text())


def volume(out, corner):
    """The hypervolume of what a finished search trained, 0..1 of the box up to the corner."""
    from keras_cnns.search import objectives, pareto
    from keras_cnns.search.results import DONE
    from keras_cnns.search.session import Session

    session = Session.open(out)
    latency = _latencies(session)
    points = [
        objectives.point(r | {"latency": latency[r["id"]]}, session.objectives)
        for r in session.results.of(DONE)
    ]
    return pareto.hypervolume(points, (0.0, corner)) / corner


def _latencies(session):
    """Latencies of all files of a search, measured once more.

    In the hours of the searches the machine had other work at one time and none at another; now
    all are measured one after the other.
    """
    from keras_cnns.search.measure import Bench
    from keras_cnns.search.results import DONE
    from keras_cnns.search.trial import FILE
    from pipelines.files import write_json

    path = session.out.with_name(f"{session.out.name}.latencies.json")
    if not path.exists():
        bench = Bench(session)
        write_json(path, {
            r["id"]: bench.latency((session.results.place(r["id"]) / FILE).read_bytes())["latency"]
            for r in session.results.of(DONE)
        })  # fmt: skip
    return json.loads(path.read_text())


def fronts(args):
    """Every network, method and seed; a table of hypervolumes."""
    rows = []
    for network in args.networks.split(","):
        searched = {
            method: [_searched(args, network, method, seed) for seed in range(args.seeds)]
            for method in METHODS
        }
        volumes = {
            method: [volume(out, args.corner) for out in folders]
            for method, folders in searched.items()
        }
        for method, found in volumes.items():
            above = [
                sum(v > u for v, u in zip(found, volumes[other], strict=True))
                for other in ("uniform", "random")
            ]
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            rows.append(
                [network, method, f"{statistics.mean(found):.4f}", f"{spread:.4f}",
                 " ".join(f"{v:.4f}" for v in found), *(f"{n} of {len(found)}" for n in above)]
            )  # fmt: skip
    header = ["network", "method", "hypervolume", "deviation", "each seed"]
    cli.table([*header, "above uniform", "above random"], rows)
    print(f"{args.trials} trials of {args.epochs} epochs each, {args.seeds} seeds, {args.data}")


def _searched(args, network, method, seed):
    out = Path(args.out) / f"{network}-{method}-{seed}"
    multipliers = args.multipliers
    if method == "uniform":  # as many as trials, each a little wider than the one before
        low, high, _ = map(float, multipliers.split(":"))
        multipliers = f"{low}:{high}:{(high - low) / max(1, args.trials - 1)}"
    search(out, f"{_words(args, network)} --oracle {method} --seed {seed} --baseline none "
           f"--multipliers {multipliers}", workers=args.workers)  # fmt: skip
    return out


def _words(args, network):
    return (
        f"--model {network} --data {args.data} --trials {args.trials} --epochs {args.epochs} "
        f"--recipe {args.recipe} --rungs {args.rungs} " + " ".join(args.more)
    )


def workers(args):
    """The same random search with one worker and with two: trials a second, once they run."""
    network, speed = args.networks.split(",")[0], {}
    for count in (1, 2, 2, 1):
        out = Path(args.out) / f"workers-{count}-{len(speed.get(count, ()))}"
        words = f"{_words(args, network)} --oracle random --rungs 0 --baseline none"
        search(out, words, workers=count)
        speed.setdefault(count, []).append(_rate(out))
    ratio = statistics.mean(speed[2]) / statistics.mean(speed[1])
    print(f"two workers finish {ratio:.2f} times the trials of one (goal 1.6, on two free cores)")


def _rate(out):
    """Trials a second of a search, from the begin of its first to the end of its last."""
    from keras_cnns.search.results import DONE, Results

    done = Results(out).of(DONE)
    begun = min(r["ended"] - r["seconds"] for r in done)
    return len(done) / (max(r["ended"] for r in done) - begun)


def overhead(args):
    """What building, converting, measuring and files take, as a share of the training."""
    network = args.networks.split(",")[0]
    out = Path(args.out) / "overhead"
    facts = search(out, f"{_words(args, network)} --oracle random --rungs 0 --baseline none")
    print(f"overhead {100 * facts['overhead']:.1f}% of {facts['training_seconds']} s (goal 5%)")


def main():
    """One of the experiments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fronts", "workers", "overhead"))
    parser.add_argument("--networks", default="resnet20_cifar,vgg11_small")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--out", default="runs/searches")
    parser.add_argument("--recipe", default="plain")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--multipliers", default="0.25:1.25:0.125", help="LOW:HIGH:STEP")
    parser.add_argument("--rungs", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--corner", type=float, default=1.5, help="latency ratio of the far corner")
    args, args.more = parser.parse_known_args()  # flags and settings of `search` itself
    {"fronts": fronts, "workers": workers, "overhead": overhead}[args.what](args)


if __name__ == "__main__":
    main()
