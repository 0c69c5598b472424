"""Migrates several services in one process: `python -m packhouse.schemas`, {service: environment} as JSON on stdin.

It does what `python -m chassis <service> migrate` does for each, but pays for the imports once: most of the time.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping

from chassis.manifest import load
from chassis.operations import migrate
from chassis.settings import read_settings
from packhouse.environment import ADMIN_URL, role_prefix


async def migrate_all(environments: Mapping[str, Mapping[str, str]]) -> None:
    """One after another: they would wait for each other's lock anyway."""
    for name, environment in environments.items():
        service = load(name)
        os.environ.update(environment)
        await migrate(service, read_settings(service.settings), environment[ADMIN_URL], role_prefix())


if __name__ == "__main__":
    asyncio.run(migrate_all(json.load(sys.stdin)))
