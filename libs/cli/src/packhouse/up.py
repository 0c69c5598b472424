"""Bringing the local stack up for a person: what it says meanwhile, the admin's account, the addresses at the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from packhouse.actors import PASSWORD, Admin
from packhouse.processes import StackError
from packhouse.stack import Stack

ADMIN_EMAIL = "admin@packhouse.test"
ADMIN = {"email": ADMIN_EMAIL, "password": PASSWORD}
GATEWAY_PORT = 18_080


def bring_up(root: Path, *, rate_limits: bool, console: Console) -> Stack:
    """Start what is missing, leave it running, write `stack.json`. Doing it again changes nothing.

    The admin's account is registered when it is not there yet.
    """
    stack = start(root, rate_limits=rate_limits, console=console)
    stack.write_description(admin=asyncio.run(_admin(stack.gateway_url)))
    return stack


def start(root: Path, *, rate_limits: bool, console: Console) -> Stack:
    """The same without the admin."""
    if os.environ.get("PACKHOUSE_ENVIRONMENT") == "production":
        raise StackError("`up` is for development; a production installation is described in docs/deploy.md")
    started = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"  {time.monotonic() - started:5.1f} s  {what}")

    stack = Stack(
        root, mode="development", rate_limits=rate_limits, gateway_port=GATEWAY_PORT, detached=True, tell=tell
    )
    stack.start()
    return stack


async def _admin(gateway: str) -> dict[str, str]:
    """Logins and registrations are limited, also here: too many of them in a minute are no reason to fail."""
    async with httpx.AsyncClient(base_url=gateway, timeout=30) as http:
        admin = Admin(http, email=ADMIN_EMAIL)
        known = await admin.logs_in()
        if known.status == httpx.codes.UNAUTHORIZED:
            (await admin.registers()).expect(201)
    return ADMIN


def show(stack: Stack, console: Console) -> None:
    """Addresses and process numbers of everything that runs."""
    table = Table("part", "address", "pid", box=None, header_style="bold")
    for server in stack.servers.all:
        table.add_row(server.name, server.url, _pid(server))
    for instance in stack.processes():
        table.add_row(instance.name, instance.url, _pid(instance))
    console.print(table)
    console.print(f"logs in {stack.home.root / 'log'}, description in {stack.home.stack_file}")


def logins(people: Iterable[tuple[str, str, str]]) -> Table:
    """Who may log in to the stack that stays up."""
    table = Table("who", "e-mail", "password", box=None, header_style="bold")
    for person in people:
        table.add_row(*person)
    return table


def _pid(part: object) -> str:
    """A given server's process is none of ours."""
    process = getattr(part, "process", None)
    return str(process.pid) if process is not None else "given"
