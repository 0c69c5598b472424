"""The operator: system roles are granted, and accounts locked, by the command line only (spec 2.2)."""

import getpass
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from chassis.floor import Floor
from identity.clients.common_passwords import is_common
from identity.domain.people import PASSWORD_LENGTHS
from identity.flows import house
from identity.flows.signing_in import Applicant
from kernel.scope import SystemRole


async def create_admin(floor: Floor, arguments: Sequence[str]) -> None:
    await _create(floor, SystemRole.ADMIN, arguments)


async def create_agent(floor: Floor, arguments: Sequence[str]) -> None:
    await _create(floor, SystemRole.AGENT, arguments)


async def deactivate_user(floor: Floor, arguments: Sequence[str]) -> None:
    parser = ArgumentParser("deactivate-user", description="Lock an account out and end its sessions.")
    parser.add_argument("email")
    user = await house.lock_out(floor, parser.parse_args(arguments).email)
    if user is None:
        raise SystemExit("no account has this e-mail")
    _say(f"deactivated {user.id}")


async def _create(floor: Floor, role: SystemRole, arguments: Sequence[str]) -> None:
    """A known e-mail keeps its password and gains the role.

    For a new one the password is read, never an argument: arguments can be seen by every process of the machine.
    """
    chosen = _parsed(role, arguments)
    user = await house.promote(floor, chosen.email, role)
    if user is None:
        applicant = Applicant(
            email=chosen.email, password=_password(), first_name=chosen.first_name, last_name=chosen.last_name
        )
        user = await house.appoint(floor, applicant, role)
    _say(f"{role} {user.id}")


def _parsed(role: SystemRole, arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(f"create-{role}", description=f"Add an {role}, or make an account one.")
    parser.add_argument("email")
    parser.add_argument("--first-name", default="House")
    parser.add_argument("--last-name", default=role.capitalize())
    return parser.parse_args(arguments)


def _password() -> str:
    """Asked for at a terminal, else the first line of standard input."""
    given = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(given) not in PASSWORD_LENGTHS:
        raise SystemExit("the password must have 8 to 128 characters")
    if is_common(given):
        raise SystemExit("this is one of the most common passwords")
    return given


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
