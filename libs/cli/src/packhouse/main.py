"""`packhouse`: the local stack and the operator's commands."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from packhouse.environment import ALL_SERVICES, EDGE
from packhouse.processes import StackError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The local stack and its tools.")
PLAIN_WIDTH = 132
keys = typer.Typer(no_args_is_help=True, help="Signing keys and the trust file.")
app.add_typer(keys, name="keys")
console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)

Root = Annotated[
    Path, typer.Option("--root", help="The folder the stack lives in; PACKHOUSE_HOME names another default.")
]
HERE = Path(os.environ.get("PACKHOUSE_HOME", ".local"))
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def up(
    root: Root = HERE,
    rate_limits: Annotated[str, typer.Option(envvar="RATE_LIMITS", help="`off` for load tools and the seed.")] = "on",
) -> None:
    """Start servers and services, or whatever of them is missing."""
    from packhouse.up import bring_up, show

    show(bring_up(root, rate_limits=rate_limits != "off", console=console), console)


@app.command()
def down(root: Root = HERE, wipe: Annotated[bool, typer.Option(help="Remove the data too.")] = False) -> None:
    """End every process that `up` has started, and nothing else. The data stays for the next `up`."""
    from packhouse.stack import Stack

    stack = Stack(root, detached=True)
    running = len(stack.home.roster.living())
    stack.stop()
    if wipe:
        stack.home.wipe()
    console.print(f"{running} processes ended" + (", data removed" if wipe else ""))


@app.command()
def demo(root: Root = HERE) -> None:
    """Start the stack and play one trade through the gateway; the stack stays up."""
    from packhouse.demo import Demo
    from packhouse.up import ADMIN, ADMIN_EMAIL, logins, show, start

    stack = start(root, rate_limits=True, console=console)
    trade = Demo(console, stack.gateway_url, stack.database_url(), ADMIN_EMAIL)
    asyncio.run(trade.play())
    stack.write_description(admin=ADMIN)
    show(stack, console)
    console.print(logins(trade.logins()))


@app.command()
def seed(root: Root = HERE, size: Annotated[str, typer.Option(help="s, m or l.")] = "s") -> None:
    """Fill the market through the gateway, which has no rate limits from then on until the next `up`."""
    from packhouse.market import fill
    from packhouse.up import ADMIN_EMAIL, bring_up

    stack = bring_up(root, rate_limits=False, console=console)
    market = asyncio.run(fill(stack.gateway_url, admin_email=ADMIN_EMAIL, size=size))
    console.print(f"{len(market.vendors)} vendors, {len(market.buyers)} buyers, {market.products} products")


@app.command()
def restart(services: Annotated[list[str] | None, typer.Argument()] = None, root: Root = HERE) -> None:
    """Start services again, all or those that are named, with the code as it is now."""
    from packhouse.stack import Stack

    stack = Stack.attached(root)
    stack.migrate(services)
    for service in services or stack.services:
        stack.restart(service)
        console.print(f"{service} is ready")


@app.command()
def status(root: Root = HERE) -> None:
    """What runs where."""
    from packhouse.stack import Stack
    from packhouse.up import show

    show(Stack.attached(root), console)


@app.command()
def doctor(root: Root = HERE) -> None:
    """Look for what keeps the stack from starting or from working; ends with 1 when something does."""
    from packhouse.doctor import examine

    raise typer.Exit(0 if examine(root, console) else 1)


@app.command()
def events(root: Root = HERE) -> None:
    """Who says what to whom, and how far each consumer of the running stack has come."""
    from packhouse.events import show_events
    from packhouse.stack import Stack

    stack = Stack.attached(root)
    show_events(stack.database_url(), [name for name in stack.services if name != EDGE], console)


@app.command()
def generate(check: Annotated[bool, typer.Option(help="Write nothing; fail when something is stale.")] = False) -> None:
    """Write what follows from the code: event map, route table, schemas, settings."""
    from packhouse.generate import generate as write

    stale, losses = write(Path.cwd(), check=check)
    for path in stale:
        console.print(f"{'stale' if check else 'written'}: {path}")
    for loss in losses:
        console.print(f"contract broken: {loss}", style="red", markup=False)
    raise typer.Exit(1 if losses or (check and stale) else 0)


@app.command("new-service")
def new_service(name: str) -> None:
    """Make a service out of the template, and give it its place in the house. Then `make ready generate`."""
    from packhouse.new_service import make_service

    for path in make_service(Path.cwd(), name):
        console.print(f"written: {path}")


@keys.command("init")
def init(
    directory: Path,
    database: Annotated[
        str | None, typer.Option(help="Address of the services' database, with a role or without.")
    ] = None,
) -> None:
    """A key for every service that has none, and the trust file over them all.

    With `--database` also a file of variables for each service, `<service>.env`: its keys and its database roles.
    """
    from packhouse.keys import ensure_keys, write_variables

    ensure_keys(directory, ALL_SERVICES)
    if database is not None:
        write_variables(directory, ALL_SERVICES, database)


@keys.command()
def rotate(directory: Path, service: str) -> None:
    """A new key for a service; its predecessor stays trusted until the next rotation. Then restart the service."""
    from chassis.auth import rotate_key

    console.print(f"{service} signs with {rotate_key(directory, service).kid} from its next start")


@keys.command("rotate-access")
def rotate_access(directory: Path) -> None:
    """A new key for access tokens: published at once, signing in ten minutes. Hand the file to every identity."""
    from chassis.clock import SystemClock
    from packhouse.keys import rotate_access as add_key

    console.print(f"access tokens are signed with {add_key(directory, SystemClock()).kid} in ten minutes")


def _delegate(service: str, words: list[str], root: Path) -> None:
    """`python -m chassis <service> ...`, in the surroundings of the local stack when one runs."""
    from packhouse.stack import Stack

    environment = Stack.attached(root).environment_for(service, words) if (root / "stack.json").exists() else {}
    command = [sys.executable, "-m", "chassis", service, *words]
    raise typer.Exit(subprocess.run(command, check=False, env={**os.environ, **environment}).returncode)  # noqa: S603


def _add_service(service: str) -> None:
    @app.command(service, context_settings=PASS_THROUGH, rich_help_panel="Commands of one service")
    def run(context: typer.Context) -> None:
        _delegate(service, context.args, HERE)

    run.__doc__ = f"As `python -m chassis {service}`."


def _add_verb(verb: str, promise: str) -> None:
    @app.command(verb, context_settings=PASS_THROUGH, help=promise, rich_help_panel="Operations")
    def run(context: typer.Context, service: str) -> None:
        _delegate(service, [verb, *context.args], HERE)


OPERATIONS = {
    "migrate": "Bring schema, queue and bindings of a service up to date.",
    "job": "Run a job of a service now.",
    "held": "Events that wait in a service's inbox: list, show, retry, drop.",
    "dlq": "Deliveries that could not even be recorded: list, show, requeue, drop.",
    "replay": "Send events of a service's archive again.",
    "rebuild": "Make a service send all its snapshots again.",
    "join": "Bring a service up to the history of what it has begun to consume.",
    "restored": "After a restore from backup: begin a new epoch.",
    "audit": "Verify a service's audit log.",
}
for _service in ALL_SERVICES:
    _add_service(_service)
for _verb, _promise in OPERATIONS.items():
    _add_verb(_verb, _promise)


def main() -> None:
    """Expected failures are one paragraph on stderr, not a traceback."""
    try:
        app()
    except StackError as error:
        Console(stderr=True).print(str(error), style="red", markup=False)
        raise SystemExit(1) from None
