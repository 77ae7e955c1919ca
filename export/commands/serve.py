"""serve: the page of a bundle, in a browser of this machine."""

DEFAULT_PORT = 8765


def flags(parser):
    parser.add_argument("bundle", metavar="BUNDLE", help="a folder that `bundle` made")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        metavar="N",
        help="0: any free one (default: 8765)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="default: 127.0.0.1, this machine alone; another lets the network in",
    )
    parser.add_argument("--runtime", metavar="DIR", help="the node_modules that holds LiteRT.js")
    parser.add_argument(
        "--fetch-runtime",
        action="store_true",
        help="get LiteRT.js by npm where it is missing, and keep it",
    )
    parser.add_argument("--open", action="store_true", help="open the browser")


def run(args):
    """Serve until Ctrl-C."""
    import webbrowser

    from export import runtime, serve
    from export.card import check_hashes, read_card
    from pipelines.errors import UserError

    if not 0 <= args.port <= 65535:
        raise UserError(f"--port is 0 to 65535, not {args.port}")
    card = read_card(args.bundle)
    check_hashes(args.bundle, card)
    find = runtime.fetch_or_find if args.fetch_runtime else runtime.find
    files = serve.table(args.bundle, card, find(args.bundle, args.runtime))
    with serve.server(files, args.host, args.port) as bound:
        host, port = bound.server_address[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        print(f"{card['name']}: {url} (Ctrl-C ends it)", flush=True)
        if args.open:
            webbrowser.open(url)
        bound.serve_forever()
