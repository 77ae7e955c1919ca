"""bench: what input costs, beside others who do the same work."""

from pipelines import cli

WORKS = ("inception-large", "inception-small", "lecture", "randaugment")
MORE = ("scaling", "waiting", "memory")


def flags(parser):
    names = ", ".join(WORKS + MORE)
    parser.add_argument("--only", metavar="NAME", help=f"one of {names} (default: all)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="default: 9")
    parser.add_argument("--images", type=int, default=512, metavar="N", help="in a round: 512")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Run the comparisons, and say what they found."""
    from pipelines.errors import UserError, find

    if args.only:
        find(args.only, dict.fromkeys(WORKS + MORE), "no comparison is named")
    if args.rounds < 1 or args.images < 32:
        raise UserError("--rounds is at least 1 and --images at least 32")
    from pipelines.quiet import quiet

    with quiet():
        from pipelines import bench
    names = [args.only] if args.only else [*WORKS, *MORE]
    found = {}
    for name in names:
        found[name] = _one(bench, name, args)
    print(_machine())
    if args.json:
        cli.print_json(found)


def _one(bench, name, args):
    if name in WORKS:
        result = bench.compare(bench.WORKS[name], rounds=args.rounds, count=args.images)
        _show(result)
    elif name == "scaling":
        result = bench.scaling(rounds=args.rounds, count=args.images)
        print(
            f"two workers make {result['two_to_one']:.2f} times the images of one; two threads of "
            f"plain C work gain {result['possible']:.2f} here now ({result['cores']} cores)\n"
        )
    elif name == "waiting":
        result = bench.waiting()
        print(
            f"steps of {result['step_ms']:.0f} ms waited {100 * result['share']:.1f}% of the time "
            f"for input that takes {result['input_ms']:.0f} ms\n"
        )
    else:
        result = bench.memory(count=8000, cap=512 * bench.MEBIBYTE)
        grown = result["grown_mib"]
        print(
            f"{result['images']:,} images, {result['encoded_mib']:,.0f} MiB of files and "
            f"{result['decoded_mib']:,.0f} MiB of pixels, streamed under a cap of "
            f"{result['cap_mib']:.0f} MiB of growth: "
            + (f"grew by {grown:.0f} MiB\n" if result["finished"] else "ran out of memory\n")
        )
    return result


def _show(result):
    print(f"{result['title']}; {result['rounds']} rounds of {result['images']} images")
    rows = [
        [
            row["name"],
            f"{row['us']:,.0f}",
            f"{row['to_ours']:.2f}",
            row.get("goal", ""),
            {True: "met", False: "missed", None: ""}[row.get("met")],
        ]
        for row in result["rows"]
    ]
    cli.table(["", "CPU us an image", "of ours", "goal", ""], rows)
    for name, why in result["missing"].items():
        print(f"{name} is not installed here, or not usable ({why}), so it is not in the table")
    print()


def _machine():
    import importlib.metadata
    import platform

    versions = []
    for name in ("tensorflow", "keras", "opencv-python-headless", "simplejpeg", "albumentations"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{platform.machine()}, Python {platform.python_version()}, {', '.join(versions)}"
