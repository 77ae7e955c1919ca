"""import-weights: a model out of the checkpoint of another framework."""

from pipelines import cli


def flags(parser):
    parser.add_argument("name", metavar="NAME", help="a network of `list`")
    parser.add_argument(
        "file", metavar="FILE", help=".safetensors, .npz or .pth of torch names, .h5 or .keras"
    )
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the model")
    parser.add_argument("--classes", type=int, metavar="N", help="default: those of the file")
    parser.add_argument("--labels", metavar="FILE", help="class names, a line each, in its order")


def run(args):
    """Make a model that takes pixels out of a checkpoint."""
    from pathlib import Path

    from keras_cnns import run as runs
    from keras_cnns import weights
    from keras_cnns.registry import find

    variant, out = find(args.name), Path(args.out)
    runs.claim(out)
    labels = _labels(Path(args.labels)) if args.labels else None
    checkpoint = weights.read(args.file)
    from pipelines.quiet import quiet

    with quiet():
        import keras  # noqa: F401  (its start-up lines are held back)

        from keras_cnns.imported import import_checkpoint
    dropped, classes = import_checkpoint(variant, checkpoint, args.classes, labels, args.file, out)
    print(f"{args.name} with the weights of {args.file}: {classes} classes, pixels 0..255 in")
    if dropped:
        print(f"left out, being of another number of classes: {', '.join(dropped)};")
        print("it is drawn by chance, so the model answers by chance until it is trained")
    from shlex import quote

    cli.next_commands(
        f"python -m keras_cnns evaluate {quote(str(out))} --data folder:PATH",
        f"python -m export bundle {quote(str(out))} --calibrate folder:PATH "
        f"--out {quote(str(out / 'bundle'))}",
    )


def _labels(file):
    """The class names in a file.

    Raises:
        UserError: there is no such file, or no text in it.
    """
    from pipelines.errors import UserError, did_you_mean

    if not file.is_file():
        beside = [str(path) for path in file.parent.glob("*.txt")]
        near = f"; {did_you_mean(str(file), beside)}" if beside else ""
        raise UserError(f"no file {file} of class names, a line each{near}")
    try:
        return file.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{file} holds no class names: it is no text in UTF-8") from None
