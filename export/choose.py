"""Of the files of a network, the smallest or the fastest whose loss stays within the budget."""

import numpy as np

from export import bench, doctor, graph, tflite, verify
from pipelines import cli

MIXED = "mixed"  # integers, with the worst layers in float


def settle(making):
    """Mend the integer file if it missed its budget, leave out what misses, and name the best.

    Works on a `making.Making` whose files are made and verified: adds "mixed" to its card and
    report, moves the formats that miss a limit to the report's "left_out" and deletes their files,
    and tells the "choice".
    """
    report, card = making.report, making.card
    integers = report["formats"].get("uint8", {})
    if integers.get("failures") and not _is_dead(making, integers):
        _mend(making)
    report["left_out"] = {n: f for n, f in report["formats"].items() if f["failures"]}
    for name in report["left_out"]:
        (making.folder / report["formats"].pop(name)["file"]).unlink()
        del card["formats"][name]
    report["passed"] = bool(report["formats"])
    if report["passed"]:
        report["choice"] = _best(making)
        card["choice"] = report["choice"]


def _is_dead(making, entry):
    """Whether every image has the same answer, so that no layer's loss could be told."""
    return graph.read((making.folder / entry["file"]).read_bytes()).ends_dead


def _mend(making):
    conversion = making.conversion(3)
    layers = doctor.layers_of(making.model)

    def run(content):
        content = making.dressed(content)
        return {"bytes": len(content)} | making.trial.run(MIXED, content)

    losses, rounds, content = doctor.mend(conversion, layers, run)
    file, content = making.folder / f"model_{MIXED}.tflite", making.dressed(content)
    making.add(MIXED, file, content)
    found = {key: value for key, value in rounds[-1].items() if key not in ("kept", "operations")}
    making.report["formats"][MIXED] = {"file": file.name} | found
    making.report["doctor"] = {
        "losses": [vars(loss) for loss in losses],
        "rounds": rounds,
    }


def _best(making):
    """{"format", "prefer", "ratios"}: ratios of latency to float32, or to the first file."""
    entries = {
        name: entry
        for name, entry in making.report["formats"].items()
        if name == MIXED or not tflite.FORMATS[name].grey
    } or making.report["formats"]
    if making.prefer == "size":
        best = min(entries, key=lambda name: entries[name]["bytes"])
        return {"format": best, "prefer": making.prefer}
    contents = {name: (making.folder / e["file"]).read_bytes() for name, e in entries.items()}
    ratios = bench.ratios(contents, making.trial.pixels[0], runs=60)
    best = min(ratios, key=ratios.get)
    return {"format": best, "prefer": making.prefer, "latency_ratios": ratios}


def show(report):
    """Print what was measured; of formats to choose among, the doctor's findings and the choice."""
    if "keras" in report:  # else no file was made that could be run
        verify.show(report)
    if "doctor" in report:
        _show_doctor(report["doctor"])
    if "left_out" not in report:
        return
    reasons = {name: "; ".join(found["failures"]) for name, found in report["left_out"].items()}
    for name, reason in (report["unmade"] | reasons).items():
        print(f"left out {name}: {reason}")
    if "choice" in report:
        choice = report["choice"]
        found = report["formats"][choice["format"]]
        word = {"size": "smallest", "latency": "fastest"}[choice["prefer"]]
        print(
            f"choice: {choice['format']}, the {word} that keeps within "
            f"{report['limits']['max_drop']:g} points: {found['bytes'] / 1024:,.1f} KiB, accuracy "
            f"{100 * found['accuracy']:.2f}% ({0 - found['drop']:+.2f})"
        )


def _show_doctor(findings):
    print("\nthe full-integer file misses its limit; what its layers lose:")
    rows = [
        [loss["layer"], loss["kind"], f"{loss['snr']:.1f} dB", f"{loss['lost']:.1f} dB"]
        for loss in findings["losses"][:8]
    ]
    cli.table(["layer", "operation", "signal to noise", "lost here"], rows)
    print("\nwhat keeping the worst in float costs:")
    rounds = findings["rounds"]
    before = [set(), *(set(r["kept"]) for r in rounds)]
    rows = [
        [
            "+ " + ", ".join(x for x in r["kept"] if x not in old) if r["kept"] else "none",
            f"{r['bytes'] / 1024:,.1f} KiB",
            f"{100 * r['accuracy']:.2f}%",
            f"{0 - r['drop']:+.2f}",
            f"{100 * r['agreement']:.2f}%",
            f"{r['latency_ms']:.3f} ms",
            "no" if r["failures"] else "yes",
        ]
        for r, old in zip(rounds, before, strict=False)
    ]
    header = ["kept in float", "size", "accuracy", "change", "agreement", "latency", "passes"]
    cli.table(header, rows)


def plot(report, path):
    """Draw size against accuracy of every file, with the doctor's rounds as a line."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    files = report["formats"] | report["left_out"]
    figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    keras, budget = 100 * report["keras"]["accuracy"], report["limits"]["max_drop"]
    axes.axhspan(keras - budget, keras, color="#2a9d8f", alpha=0.12, lw=0)
    axes.axhline(keras, color="#2a9d8f", lw=1)
    axes.annotate(
        f"Keras {keras:.1f}%",
        (1, keras),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color="#1d7268",
    )
    if "doctor" in report:
        rounds = report["doctor"]["rounds"]
        axes.plot(
            *_points(rounds), "o-", color="#e76f51", lw=1.5, ms=4, label="the doctor's rounds"
        )
        axes.legend(loc="lower right", frameon=False)
    best = report.get("choice", {}).get("format")
    for name, found in files.items():
        star = name == best
        axes.plot(*_points([found]), "*" if star else "o", ms=15 if star else 7, color="#264653")
    axes.set(
        xlabel="size, KiB",
        ylabel=f"accuracy on {report['images']:,} held-out images, %",
        xscale="log",
        title=f"shaded: within {budget:g} points of Keras; star: the choice",
    )
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("{x:,.0f}")
    axes.grid(alpha=0.25)
    axes.margins(x=0.16, y=0.16)
    _name_points(axes, files)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _name_points(axes, files):
    """Write the names beside the points, once for points that lie together."""
    together, (low, high) = {}, axes.get_ylim()
    for name, found in files.items():
        x, y = found["bytes"] / 1024, 100 * found["accuracy"]
        near = (
            spot
            for spot in together
            if abs(np.log(x / spot[0])) < 0.1 and abs(y - spot[1]) < (high - low) / 20
        )
        together.setdefault(next(near, (x, y)), []).append(name)
    for spot, names in together.items():
        axes.annotate(", ".join(names), spot, xytext=(9, -14), textcoords="offset points")


def _points(found):
    return [f["bytes"] / 1024 for f in found], [100 * f["accuracy"] for f in found]
