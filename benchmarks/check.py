"""What the check of a source costs beside one epoch of decoding it.

    python -m benchmarks.check SOURCE

CPU time of this process and of its children, interleaved, medians; the first round warms caches of
the system. An epoch is every image once, decoded and brought to 224 x 224, without augmentation.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
from importlib.metadata import version

from pipelines import cli

GOALS = {"an epoch of decoding": 1, "first check": 1, "cached check": 0.1}


def cpu():
    """Seconds of CPU time of this process and of the children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in spent)


def main():
    """Time every way `--runs` times, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--data-dir")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from pipelines import dataset
    from pipelines.check import children
    from pipelines.sources import open_source

    def check():
        source = open_source(args.source, data_dir=args.data_dir)
        for workers in children._shared.values():
            workers.close()  # whose CPU time counts only then
        return source

    def epoch():
        for split in source.splits.values():
            shape = (224, 224, source.channels)
            for _ in dataset.evaluation(split, shape, batch_size=64, cache=0):
                pass

    times = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory() as place:
        for k in range(args.runs + 1):
            os.environ["XDG_CACHE_HOME"] = os.path.join(place, str(k))
            for name, work in (("first check", check), ("cached check", check)):
                begun = cpu()
                source = work()
                times[name].append(cpu() - begun)
            begun = cpu()
            epoch()
            times["an epoch of decoding"].append(cpu() - begun)
    medians = {name: statistics.median(seen[1:]) for name, seen in times.items()}
    base, images = medians["an epoch of decoding"], sum(map(len, source.splits.values()))
    cli.table(
        ["what", "CPU us an image", "ratio", "goal"],
        [
            [name, f"{1e6 * median / images:,.0f}", f"{median / base:.3f}", f"{GOALS[name]}"]
            for name, median in medians.items()
        ],
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "simplejpeg"))
    python = sys.version.split()[0]
    print(f"{images:,} images; n = {args.runs} each, interleaved; Python {python}, {versions}")


if __name__ == "__main__":
    main()
