"""`python -m emulators pubsub --port 8085`, `python -m emulators storage --port 8086 ...`; `--help` tells the rest."""

from __future__ import annotations

import argparse
import asyncio

PROJECT = "packhouse-local"


def main() -> None:
    words = _parser().parse_args()
    asyncio.run(words.run(words))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators", description=__doc__)
    emulators = parser.add_subparsers(required=True, metavar="EMULATOR")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    shared.add_argument("--port", type=int, required=True)
    shared.add_argument("--project", default=PROJECT)
    pubsub = emulators.add_parser("pubsub", parents=[shared], help="Google's Pub/Sub, in memory")
    pubsub.add_argument(
        "--subscription", action="append", default=[], metavar="TOPIC:NAME", help="there from the start, with its topic"
    )
    pubsub.set_defaults(run=_pubsub)
    return parser


async def _pubsub(words: argparse.Namespace) -> None:
    from emulators.pubsub.server import Wanted, serve

    wanted = [Wanted(*pair.split(":", 1)) for pair in words.subscription]
    await serve(words.host, words.port, words.project, wanted)


if __name__ == "__main__":
    main()
