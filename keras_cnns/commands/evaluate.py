"""evaluate: how good a model is on labelled images."""

from pipelines import cli


def flags(parser):
    from pipelines.sources import HELP

    parser.add_argument("model", metavar="RUN|MODEL.keras|MODEL.tflite", help="what to evaluate")
    parser.add_argument("--data", metavar="SOURCE", help=f"{HELP} (default: that of the training)")
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--plot", metavar="FILE.png", help="write the confusion matrix")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print accuracy and the weakest classes of a model."""
    from export.trained import find, source_of

    trained = find(args.model)
    from pipelines.quiet import quiet

    if args.plot:
        from pipelines.files import check_picture

        check_picture(args.plot)
    with quiet():
        from keras_cnns.evaluate import evaluate
    report = evaluate(trained, source_of(trained, args.data, args.data_dir), args.split)
    low, high = report["accuracy_95"]
    print(
        f"{args.model} on {report['split']} of {report['source']}: accuracy "
        f"{100 * report['accuracy']:.2f}% of {report['images']:,} images "
        f"(95%: {100 * low:.2f} to {100 * high:.2f})"
    )
    print("classes, those found least first:")
    cli.table(
        ["class", "images", "precision", "recall"],
        [
            [name, f"{c['images']:,}", _percent(c["precision"]), _percent(c["recall"])]
            for name, c in sorted(report["classes"].items(), key=lambda kv: kv[1]["recall"] or 0)
        ][:20],
    )
    if args.plot:
        import numpy as np

        from keras_cnns.plots import confusion

        confusion(np.array(report["confusion"]), list(report["classes"]), args.plot)
        print(f"wrote {args.plot}")
    if args.json:
        cli.print_json(report)


def _percent(share):
    return "-" if share is None else f"{100 * share:.1f}%"
