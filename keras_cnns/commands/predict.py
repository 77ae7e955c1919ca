"""predict: what a model sees in images."""

from pipelines import cli


def flags(parser):
    parser.add_argument("model", metavar="RUN|MODEL", help="a run, .keras or .tflite file")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="answers for each image")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print the most probable classes of images."""
    from export.trained import find
    from pipelines.errors import UserError

    trained = find(args.model)
    if args.top < 1:
        raise UserError(f"--top is at least 1, not {args.top}")
    from pipelines.check import find_image

    for image in args.images:
        find_image(image)
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.evaluate import predict
    answers = predict(trained, args.images)
    for answer in answers:
        best = "  ".join(f"{name} {100 * p:.1f}%" for name, p in answer["answers"][: args.top])
        print(f"{answer['image']}: {best}")
    if args.json:
        cli.print_json({"images": answers})
