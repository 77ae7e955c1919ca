"""predict: what a model sees in images."""

from pipelines import cli


def flags(parser):
    parser.add_argument("model", metavar="RUN|MODEL", help="a run, .keras or .tflite file")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, or folders of them"
    )
    parser.add_argument("--top", type=int, default=3, metavar="N", help="answers for each image")
    parser.add_argument(
        "--grad-cam", metavar="DIR", help="write each image under what the answer rests on"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print the most probable classes of images."""
    from export.trained import find
    from pipelines.errors import UserError

    trained = find(args.model)
    if args.top < 1:
        raise UserError(f"--top is at least 1, not {args.top}")
    if args.grad_cam and trained.path.suffix != ".keras":
        raise UserError(f"{trained.path}: Grad-CAM needs gradients, which a .tflite file has not; "
                        "name the run or the .keras file")  # fmt: skip
    images = _files(args.images)
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.evaluation.evaluate import predict
    if args.grad_cam:
        from keras_cnns.evaluation import grad_cam

        grad_cam.check(args.grad_cam, images)
    answers = predict(trained, images)
    for answer in answers:
        best = "  ".join(f"{name} {100 * p:.1f}%" for name, p in answer["answers"][: args.top])
        print(f"{answer['image']}: {best}")
    if args.grad_cam:
        grad_cam.write(trained, answers, images, args.grad_cam)
        print(f"wrote {len(images):,} overlays to {args.grad_cam}")
    if args.json:
        cli.print_json({"images": answers})


def _files(words):
    """Image files that are named, and those right inside folders that are named."""
    import os

    from pipelines.check import EXTENSIONS, display, find_file
    from pipelines.errors import UserError

    images = []
    for word in words:
        if not os.path.isdir(word):
            find_file(word)
            images.append(word)
            continue
        found = sorted(
            entry.path
            for entry in os.scandir(word)
            if entry.name.lower().endswith(EXTENSIONS) and not entry.name.startswith(".")
        )
        if not found:
            raise UserError(f"{display(word)} holds no images ({', '.join(EXTENSIONS)})")
        images += found
    return images
