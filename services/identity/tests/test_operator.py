"""What only the command line can do (spec 2.2)."""

import io

import pytest

from contracts.identity import UserChanged
from identity.api import commands
from testkit.world import World

from .people import PASSWORD, Person, a_store


async def test_the_operator_makes_admins_who_can_log_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    await commands.create_admin(world.floor, ["Ada@Example.net", "--first-name", "Ada"])
    ada = Person(world, "ada@example.net")
    body = {"email": ada.email, "password": PASSWORD}
    assert (await ada.says("POST", "/api/v1/admin/auth/login", body)).status_code == 200
    assert (await world.emitted(UserChanged))[-1].system_role == "admin"


async def test_a_known_account_keeps_its_password_and_loses_its_sessions(world: World) -> None:
    sam = await a_store(world)
    await commands.create_agent(world.floor, [sam.email])
    assert await sam.state() is None
    assert (await sam.logs_in()).status_code == 200
    assert (sam.claims.system_role, sam.claims.role) == ("agent", "owner")


async def test_a_deactivated_user_is_out_at_once_and_stays_out(world: World) -> None:
    sam = await a_store(world)
    await commands.deactivate_user(world.floor, [sam.email])
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.revoked
    assert (await sam.refreshes()).status_code == 401
    assert (await sam.logs_in()).json()["error"]["reason"] == "bad_credentials"
    assert (await sam.registers("Another Store")).status_code == 401
    assert not (await world.emitted(UserChanged))[-1].is_active


async def test_a_short_or_common_password_or_an_unknown_email_ends_the_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(SystemExit, match="8 to 128"):
        await commands.create_admin(world.floor, ["ada@example.net"])
    monkeypatch.setattr("sys.stdin", io.StringIO("Password1\n"))
    with pytest.raises(SystemExit, match="most common"):
        await commands.create_admin(world.floor, ["ada@example.net"])
    with pytest.raises(SystemExit, match="no account"):
        await commands.deactivate_user(world.floor, ["ada@example.net"])
