"""The three roles of a service (reliability 3.8): an owner that nobody logs in as, the app, and the relay.

Roles belong to the whole server, so two installations on one server tell theirs apart by a prefix. A password follows
from the installation's secret and the role's name: `migrate` sets what the processes compute.
"""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from sqlalchemy import MetaData

APP_CONNECTIONS_MAX = 3 * (6 + 2)
RELAY_CONNECTIONS_MAX = 12
_ATTEMPTS = 20
_READ_WRITE = "select, insert, update, delete"
_LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "synchronous_commit": "on",
}
_RELAY_LIMITS = {"idle_session_timeout": "8s", "idle_in_transaction_session_timeout": "8s"}
"""A leader that is paused must lose its session, or its standby waits for ever."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The role names of one service."""

    owner: str
    app: str
    relay: str

    @classmethod
    def of(cls, service: str, prefix: str = "") -> "Roles":
        return cls(f"{prefix}{service}_owner", f"{prefix}{service}_app", f"{prefix}{service}_relay")


def role_password(secret: str, role: str) -> str:
    return hmac.new(secret.encode(), f"packhouse-role:{role}".encode(), hashlib.sha256).hexdigest()


def role_url(admin_url: str, role: str, secret: str) -> str:
    """The same server and database as `admin_url`, logged in as this role."""
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{role_password(secret, role)}@{address}"))


async def create_roles(admin: asyncpg.Connection, service: str, *, secret: str, prefix: str = "") -> Roles:
    """Make the roles what they should be. Repeating it changes nothing, and several may do so at once."""
    roles = Roles.of(service, prefix)
    login = f"{_SAFE} login password"
    search_path = {"search_path": f"{service}, public"}
    await _ensure(admin, roles.owner, f"{_SAFE} nologin", {})
    await _ensure(
        admin,
        roles.app,
        f"{login} '{role_password(secret, roles.app)}' connection limit {APP_CONNECTIONS_MAX}",
        _LIMITS | search_path,
    )
    await _ensure(
        admin,
        roles.relay,
        f"{login} '{role_password(secret, roles.relay)}' connection limit {RELAY_CONNECTIONS_MAX}",
        _LIMITS | _RELAY_LIMITS | search_path,
    )
    return roles


_SAFE = "nosuperuser nocreatedb nocreaterole noreplication nobypassrls"


async def _ensure(admin: asyncpg.Connection, role: str, attributes: str, parameters: dict[str, str]) -> None:
    """Change the role unless its comment says that it is so already: two writers of one catalogue row collide."""
    wanted = "packhouse " + hashlib.sha256(f"{attributes}{sorted(parameters.items())}".encode()).hexdigest()[:16]
    for _ in range(_ATTEMPTS):
        known = await admin.fetchval("select shobj_description(to_regrole($1), 'pg_authid')", f'"{role}"')
        if known == wanted:
            return
        try:
            async with admin.transaction():
                await _write_role(admin, role, attributes, parameters, wanted)
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.InternalServerError):
            await asyncio.sleep(0.1)
        else:
            return
    raise RuntimeError(f"role {role} could not be written, somebody else keeps changing it")


async def _write_role(
    admin: asyncpg.Connection, role: str, attributes: str, parameters: dict[str, str], comment: str
) -> None:
    exists = await admin.fetchval("select to_regrole($1) is not null", f'"{role}"')
    await admin.execute(f'{"alter" if exists else "create"} role "{role}" {attributes}')
    for name, value in parameters.items():
        await admin.execute(f'alter role "{role}" set {name} = {_setting(name, value)}')
    await admin.execute(f"comment on role \"{role}\" is '{comment}'")


def _setting(name: str, value: str) -> str:
    """A search path is a list of names; everything else is one quoted value."""
    return value if name == "search_path" else f"'{value}'"


def database_grants(database: str, schema: str, roles: Roles) -> list[str]:
    """Nobody but the three roles gets in, and each sees its own schema only."""
    return [
        f'revoke all on database "{database}" from public',
        f'grant connect on database "{database}" to "{roles.app}", "{roles.relay}"',
        "revoke create on schema public from public",
        f'grant usage on schema "{schema}" to "{roles.app}", "{roles.relay}"',
    ]


def table_grants(metadata: MetaData, roles: Roles) -> list[str]:
    """What each role may do with each table, as its `info` says; columns' sequences follow their table."""
    schema = metadata.schema
    statements = [
        f'revoke all on all tables in schema "{schema}" from "{roles.app}", "{roles.relay}"',
        f'grant usage on all sequences in schema "{schema}" to "{roles.app}"',
        f'grant execute on function "{schema}".keep_archive(), "{schema}".tidy_outbox() to "{roles.relay}"',
    ]
    for table in metadata.sorted_tables:
        statements.append(f'grant {table.info.get("app", _READ_WRITE)} on "{schema}"."{table.name}" to "{roles.app}"')
        if "relay" in table.info:
            statements.append(f'grant {table.info["relay"]} on "{schema}"."{table.name}" to "{roles.relay}"')
    return statements
