"""check: decode every image of a source, count them, and say all that is odd."""

from pipelines import cli
from pipelines.commands.source import add_source


def flags(parser):
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Check every image, and say what was found."""
    from pipelines.commands.source import opened, words
    from pipelines.errors import UserError

    try:
        source = opened(args)
    except UserError as error:
        if args.json:
            cli.print_json({"source": args.source, "passed": False} | refused(error))
        raise
    summarize(source)
    if args.json:
        cli.print_json(report(source))
    else:
        again = words(source.spec, source.data_dir, source.checks)
        cli.next_commands(
            f"python -m pipelines preview {again} --out preview.png",
            f"python -m keras_cnns train --model lenet --data {again} --out runs/first",
        )


def report(source):
    """All that is known of a source, as plain data."""
    from pipelines.check import Findings

    findings = Findings([], list(source.warnings), list(source.skipped), source.ignored)
    return {
        "source": source.spec,
        "passed": True,
        "classes": source.classes,
        "channels": source.channels,
        "counts": source.counts(),
        "class_weights": source.class_weights(),
        "fingerprint": source.fingerprint,
    } | found(findings)


def refused(error):
    """What made a source unusable, as plain data; a fault of no rule is that it cannot be found."""
    from pipelines.check import BadSource, Findings
    from pipelines.check.findings import Finding

    known = isinstance(error, BadSource)
    return found(error.findings if known else Findings([Finding(None, str(error))]))


def found(findings):
    """Faults, warnings, skipped and ignored, as plain data."""
    kinds = {kind: getattr(findings, kind) for kind in ("faults", "warnings", "skipped")}
    plain = {
        kind: [{"rule": f.rule, "text": f.text, "files": f.files} for f in of_kind]
        for kind, of_kind in kinds.items()
    }
    return plain | {"ignored": dict(sorted(findings.ignored.items()))}


def summarize(source):
    """Print what a source holds."""
    from pipelines.check import display
    from pipelines.check.findings import lines

    kind = "grey" if source.channels == 1 else "colour"
    total = sum(len(split) for split in source.splits.values())
    print(f"{display(source.spec)}: {total:,} {kind} images in {len(source.classes)} classes")
    counts = source.counts()
    rows = [
        [name, *(f"{counts[split][i]:,}" for split in counts)]
        for i, name in enumerate(source.classes[:20])
    ]
    if len(source.classes) > 20:
        rows.append([f"... and {len(source.classes) - 20} more", *[""] * len(counts)])
    rows.append(["all", *(f"{sum(per_class):,}" for per_class in counts.values())])
    cli.table(["class", *counts], rows)
    for what, count in source.ignored.items():
        print(f"left out: {count:,} x {what}")
    for line in lines(source.warnings):
        print(line)
