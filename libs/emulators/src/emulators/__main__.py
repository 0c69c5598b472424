"""`python -m emulators pubsub --port 8085`, `python -m emulators storage --port 8086 ...`; `--help` tells the rest."""

from __future__ import annotations

import argparse
import asyncio
from datetime import timedelta
from pathlib import Path

PROJECT = "packhouse-local"
TOPIC = "storage-objects"


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
    storage = emulators.add_parser("storage", parents=[shared], help="Google's Cloud Storage, on disk")
    storage.add_argument("--root", type=Path, required=True, help="the folder of the objects")
    storage.add_argument("--account", type=Path, required=True, help="a service account's JSON key")
    storage.add_argument("--url", help="where clients find it; host and port, unless told")
    storage.add_argument("--bucket", action="append", default=[], help="there from the start")
    storage.add_argument("--pubsub", metavar="HOST:PORT", help="the emulator that is told what comes and goes")
    storage.add_argument("--topic", default=TOPIC)
    storage.add_argument("--clock-offset-seconds", type=float, default=0, help="how far the door's clock is ahead")
    storage.set_defaults(run=_storage)
    return parser


async def _pubsub(words: argparse.Namespace) -> None:
    from emulators.pubsub.server import Wanted, serve

    wanted = [Wanted(*pair.split(":", 1)) for pair in words.subscription]
    await serve(words.host, words.port, words.project, wanted)


async def _storage(words: argparse.Namespace) -> None:
    from emulators.storage.backend import Notices
    from emulators.storage.server import Store, serve

    notices = Notices(words.pubsub, words.project, words.topic) if words.pubsub else None
    url = words.url or f"http://{words.host}:{words.port}"
    offset = timedelta(seconds=words.clock_offset_seconds)
    await serve(words.host, words.port, Store(words.root, words.account, url, words.bucket, notices, offset))


if __name__ == "__main__":
    main()
