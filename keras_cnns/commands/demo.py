"""demo: the whole line on embedded digits."""


def flags(parser):
    parser.add_argument("--out", default="runs/demo", metavar="DIR", help="default: runs/demo")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the training")


def run(args):
    """Run the whole line on the embedded digits."""
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.demo import demo
    demo(args.out, seed=args.seed, bar=False)
