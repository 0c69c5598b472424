"""The command line of a service, built from its manifest: `python -m chassis <service> <command>` (spec 1.8)."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from chassis import operations, process
from chassis.floor import Floor, open_floor
from chassis.manifest import Command, Service, load
from chassis.settings import read_settings
from chassis.telemetry import shut_down
from chassis.telemetry.logs import log_to_stderr
from kernel.refusal import Refusal

ADMIN_URL: Final = "PACKHOUSE_ADMIN_DATABASE_URL"
EVERYTHING: Final = "all"
USAGE: Final = "usage: python -m chassis <service> <command> [options]\n"

Told = Callable[[Floor], Awaitable[Any]]
Target = Annotated[str, typer.Argument(help=f"an id, or {EVERYTHING!r}")]


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Exit status 1 is a refusal or a failed job, 2 a wrong command line or configuration."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0].startswith("-"):
        sys.stderr.write(USAGE)
        raise SystemExit(2)
    try:
        service = load(words[0])
    except ModuleNotFoundError as error:
        sys.stderr.write(f"service {words[0]} is not installed: {error}\n")
        raise SystemExit(2) from None
    command_line(service)(args=words[1:], prog_name=f"python -m chassis {service.name}")


def command_line(service: Service) -> typer.Typer:
    """All commands of a service."""
    line = typer.Typer(help=f"Packhouse {service.name}", no_args_is_help=True, add_completion=False)

    @line.callback()
    def of_service() -> None:
        """Without this, typer would take the only command of the gateway for the whole line."""

    _add_api(line, service)
    if service.metadata is not None:
        _add_worker(line, service)
        _add_upkeep(line, service)
        _add_sending(line, service)
        line.add_typer(_held(service), name="held", help="Events that wait in the inbox.")
        line.add_typer(_dead_letters(service), name="dlq", help="Messages that could not even be recorded.")
        line.add_typer(_audit(service), name="audit", help="The audit log.")
    for name, command in service.commands.items():
        _add_own(line, service, name, command)
    return line


def _add_api(line: typer.Typer, service: Service) -> None:
    @line.command()
    def api(
        with_worker: Annotated[bool, typer.Option(help="relay, consume and run jobs in the same process")] = False,
        host: Annotated[str, typer.Option(help="address to listen on")] = process.EVERYWHERE,
        port: Annotated[int, typer.Option(help="port to listen on", envvar="PORT")] = 8000,
    ) -> None:
        """Answer HTTP until SIGTERM."""
        settings = read_settings(service.settings)
        process.run(process.serve(service, settings, host=host, port=port, with_worker=with_worker))


def _add_worker(line: typer.Typer, service: Service) -> None:
    @line.command()
    def worker() -> None:
        """Relay, consume and run jobs until SIGTERM."""
        process.run(process.work(service, read_settings(service.settings)))

    @line.command()
    def relay() -> None:
        """Publish the outbox until SIGTERM."""
        process.run(process.work(service, read_settings(service.settings), only="relay"))

    @line.command()
    def consume() -> None:
        """Apply events until SIGTERM."""
        process.run(process.work(service, read_settings(service.settings), only="consume"))

    @line.command()
    def jobs() -> None:
        """Run due jobs until SIGTERM."""
        process.run(process.work(service, read_settings(service.settings), only="jobs"))

    for name in service.parts:
        _add_part(line, service, name)


def _add_part(line: typer.Typer, service: Service, name: str) -> None:
    @line.command(name, help=f"Run the {name.replace('-', ' ')} until SIGTERM.")
    def part() -> None:
        process.run(process.work(service, read_settings(service.settings), only=name))


def _add_upkeep(line: typer.Typer, service: Service) -> None:
    @line.command()
    def migrate(
        admin_url: Annotated[
            str, typer.Option(help="PostgreSQL as a role that may create roles and schemas", envvar=ADMIN_URL)
        ],
        role_prefix: Annotated[str, typer.Option(envvar="PACKHOUSE_ROLE_PREFIX")] = "",
        revise: Annotated[str | None, typer.Option(help="write the next migration instead, with this title")] = None,
    ) -> None:
        """Bring roles, schema, grants, queue and bindings up to date; harmless to repeat."""
        log_to_stderr()
        settings = read_settings(service.settings)
        if revise is not None:
            process.run(operations.revise(service, settings, admin_url, role_prefix, revise))
            return
        process.run(operations.migrate(service, settings, admin_url, role_prefix))

    @line.command()
    def job(name: Annotated[str | None, typer.Argument(help="without a name: list the jobs")] = None) -> None:
        """Run one job now, unless another process runs it."""
        if name is None:
            for known, every in operations.jobs_of(service):
                typer.echo(f"{known}\t{every}")
            return
        if not _do(service, lambda floor: operations.run_job_now(floor, name)):
            raise typer.Exit(1)


def _add_sending(line: typer.Typer, service: Service) -> None:
    @line.command()
    def join(consumer: Annotated[str, typer.Argument(help="the service that has begun to consume")]) -> None:
        """Send a service the whole past of what it has just bound, straight into its queue."""
        _do(service, lambda floor: operations.join(floor, consumer))

    @line.command()
    def replay(
        to: Annotated[str, typer.Option(help="the consuming service")],
        aggregate: Annotated[str | None, typer.Option(help="TYPE:ID; without it all")] = None,
        start: Annotated[int, typer.Option("--from", min=1, help="first number")] = 1,
    ) -> None:
        """Send what this service has said to one consumer again."""
        _do(service, lambda floor: operations.replay(floor, to, aggregate, start))

    @line.command()
    def rebuild() -> None:
        """Say every snapshot again, so that projections can be rebuilt."""
        _do(service, operations.rebuild)

    @line.command()
    def restored() -> None:
        """After a restore from backup: begin a new epoch and say every snapshot in it."""
        _do(service, operations.restored)


def _held(service: Service) -> typer.Typer:
    line = typer.Typer(no_args_is_help=True)

    @line.command("list")
    def list_() -> None:
        """One line per event, those that block a stream first."""
        _do(service, operations.list_held)

    @line.command()
    def show(event_id: UUID) -> None:
        """One event with its body and its last error."""
        _do(service, lambda floor: operations.show_held(floor, event_id))

    @line.command()
    def retry(event: Target) -> None:
        """Try one event, or all that block a stream, now."""
        _do(service, lambda floor: operations.retry_held(floor, _uuid_or_all(event)))

    @line.command()
    def drop(event: Target) -> None:
        """Pass over one event, or every failed one; what waits behind it goes on."""
        _do(service, lambda floor: operations.drop_held(floor, _uuid_or_all(event)))

    return line


def _dead_letters(service: Service) -> typer.Typer:
    line = typer.Typer(no_args_is_help=True)

    @line.command("list")
    def list_() -> None:
        """One line per message, oldest first."""
        _do(service, operations.list_dead)

    @line.command()
    def show(letter: str) -> None:
        """One message with its headers and body."""
        _do(service, lambda floor: operations.show_dead(floor, letter))

    @line.command()
    def requeue(letter: Target) -> None:
        """Send one message, or all, to the inbox again."""
        _do(service, lambda floor: operations.requeue_dead(floor, None if letter == EVERYTHING else letter))

    @line.command()
    def drop(letter: Target) -> None:
        """Remove one message, or all, for good."""
        _do(service, lambda floor: operations.drop_dead(floor, None if letter == EVERYTHING else letter))

    return line


def _audit(service: Service) -> typer.Typer:
    line = typer.Typer(no_args_is_help=True)

    @line.callback()
    def audit() -> None:
        """The audit log of this service."""

    @line.command()
    def verify() -> None:
        """Prove that the log is there and can only grow; exit status 1 when it is not so."""
        if not _do(service, operations.verify_audit):
            raise typer.Exit(1)

    return line


def _add_own(line: typer.Typer, service: Service, name: str, command: Command) -> None:
    @line.command(name, help=command.help, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def run(context: typer.Context) -> None:
        _do(service, lambda floor: command.run(floor, context.args))


def _do(service: Service, told: Told) -> Any:
    """Run a command on an open floor; its log goes to stderr, so that stdout holds the answer only."""
    log_to_stderr()
    settings = read_settings(service.settings)

    async def on_floor() -> Any:
        async with open_floor(service, settings) as floor:
            answer = await told(floor)
        shut_down()
        return answer

    try:
        return process.run(on_floor())
    except Refusal as refusal:
        details = f" {refusal.details}" if refusal.details else ""
        typer.echo(f"refused: {refusal.reason or refusal.code}: {refusal.message}{details}", err=True)
        raise typer.Exit(1) from None


def _uuid_or_all(text: str) -> UUID | None:
    if text == EVERYTHING:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is neither an id nor {EVERYTHING!r}") from None
