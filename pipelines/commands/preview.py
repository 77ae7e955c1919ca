"""preview: a contact sheet of augmented images."""

from pipelines.commands.source import add_source


def flags(parser):
    add_source(parser)
    parser.add_argument("--out", required=True, metavar="FILE.png", help="the picture to write")
    parser.add_argument(
        "--recipe", default="all", metavar="NAME", help="recipe to show (default: all)"
    )
    parser.add_argument("--image-size", type=int, default=64, metavar="N", help="side in pixels")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which draws are shown")


def run(args):
    """Write a contact sheet of the augmented images."""
    from pipelines import recipes
    from pipelines.check import display
    from pipelines.commands.source import opened
    from pipelines.errors import UserError
    from pipelines.files import check_picture
    from pipelines.sources import refuse_inside

    if args.recipe != "all":
        recipes.find(args.recipe)  # before the images are read: a wrong name is told at once
    check_picture(args.out)
    refuse_inside(args.out, args.source)
    if not 8 <= args.image_size <= 1024:
        raise UserError(f"--image-size is at least 8 and at most 1024, not {args.image_size}")
    if not 0 <= args.seed < 2**31:
        raise UserError(f"--seed is at least 0 and at most {2**31 - 1}, not {args.seed}")
    from pipelines.quiet import quiet

    with quiet():
        from pipelines.preview import write

    source = opened(args)
    write(source, args.recipe, args.out, size=args.image_size, seed=args.seed)
    print(f"wrote {display(args.out)}")
