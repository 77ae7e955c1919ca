"""evaluate: how good a model is on labelled images."""

import sys

from pipelines import cli


def flags(parser):
    from export.trained import add_source
    from keras_cnns.evaluation.crops import WAYS

    parser.add_argument("model", metavar="RUN|MODEL.keras|MODEL.tflite", help="what to evaluate")
    add_source(parser, "--data", "that of the training")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument(
        "--tta", choices=WAYS,
        help="average several views of an image: 2, 10, 150 or 144; see docs/evaluation.md",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the report (default: RUN/report-SPLIT)"
    )
    parser.add_argument("--plot", metavar="FILE.png", help="write the confusion matrix")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print how good a model is, and write its report."""
    from export.trained import find, source_of

    trained = find(args.model)
    from pipelines.quiet import quiet

    if args.plot:
        from pipelines.files import check_picture

        check_picture(args.plot)
    with quiet():
        from keras_cnns.evaluation import report as reports
        from keras_cnns.evaluation.evaluate import evaluate
    out = _place(args, trained, reports)
    source = source_of(trained, args)
    report = evaluate(trained, source, args.split, tta=args.tta)
    reports.show(report)
    if args.plot:
        import numpy as np

        from keras_cnns.plots import confusion

        confusion(np.array(report["confusion"]), list(report["classes"]), args.plot)
        print(f"wrote {args.plot}")
    if out:
        reports.write(report, source, out)
        print(f"report: {out / 'report.html'}")
    elif args.out is None and not args.json:
        print("for a report with its pictures: --out DIR")
    if args.json:
        cli.print_json(report)


def _place(args, trained, reports):
    """Where the report goes; None where nobody said, and there is no run to put it in."""
    from pathlib import Path

    from export.trained import CONFIG
    from pipelines.errors import EnvironmentFault
    from pipelines.sources import refuse_inside

    given, folder = args.out is not None, Path(args.model)
    if not given and not (folder / CONFIG).is_file():
        return None
    way = f"-{args.tta}" if args.tta else ""
    out = Path(args.out) if given else folder / f"report-{args.split}{way}"
    try:
        refuse_inside(out, args.data or trained.config.get("data"))
        reports.check(out)
    except EnvironmentFault as fault:
        if given:
            raise
        print(f"no report is written: {fault}", file=sys.stderr)
        return None
    return out
