"""One alembic history per service, in its own schema, shipped inside its package (`<name>/migrations/versions`).

Alembic needs SQLAlchemy connections, so an engine exists while `migrate` runs, and at no other time.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from chassis.db.floor import ARCHIVE, service_metadata
from chassis.db.roles import Roles, create_roles, database_grants, table_grants
from chassis.manifest import Service

LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "5s"
VERSION_TABLE = "schema_version"
_LOCK = "packhouse.migrate"
_PARTITION = re.compile(rf"{ARCHIVE}_(\d{{8}}|default)")
_SPATIAL = {"Geography", "Geometry", "Raster"}
_WORD_IN_CHECK = re.compile(r"'((?:[^']|'')*)'")

Result = TypeVar("Result")


class PostgisMissing(RuntimeError):  # noqa: N818  it names what was found
    """A service has geography columns and the server has no PostGIS."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} needs PostGIS: install postgresql-<version>-postgis-3 on the database server")


async def migrate(
    service: Service, admin_url: str, *, hmac_secret: str, role_prefix: str = "", versions: Path | None = None
) -> None:
    """Bring roles, schema and grants of a service to what its code says. Harmless to repeat, or to run several at once.

    `admin_url` is a role that may create roles, schemas and extensions. `versions` replaces the service's own history.
    """
    if service.metadata is None:
        return
    async with _upgraded(service, admin_url, hmac_secret, role_prefix, versions) as (admin, roles):
        grants = table_grants(service.metadata, roles)
        await admin.execute(";".join([f'begin; set local role "{roles.owner}"', *grants, "commit"]))


async def differences(service: Service, admin_url: str, *, role_prefix: str = "") -> list[Any]:
    """What the database and the service's tables disagree about: empty when they match. CHECKs count too, by word."""
    metadata = service.metadata
    if metadata is None:
        return []

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts=comparison_options(service))
        return [*compare_metadata(context, metadata), *_unlike_checks(connection, metadata)]

    return await _run(admin_url, service, Roles.of(service.name, role_prefix).owner, compare, search_path="public")


async def revise(
    service: Service,
    admin_url: str,
    message: str,
    *,
    hmac_secret: str,
    role_prefix: str = "",
    versions: Path | None = None,
) -> None:
    """Write the next migration from the difference between database and tables; a person reads it before it is kept.

    The first one of a service calls `create_floor`, and none makes the floor's tables itself.
    """
    folder = versions or versions_of(service)
    folder.mkdir(parents=True, exist_ok=True)
    config = _configuration(service, folder)
    config.attributes["without"] = frozenset(str(table.name) for table in service_metadata(service.name).sorted_tables)
    number = f"{len(list(folder.glob('*.py'))) + 1:04d}"

    def generate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=number)

    async with _upgraded(service, admin_url, hmac_secret, role_prefix, folder) as (_, roles):
        await _run(admin_url, service, roles.owner, generate, search_path="public")


def upgrade_sql(service: Service, *, versions: Path | None = None) -> str:
    """The SQL of the whole history, for a linter."""
    output = StringIO()
    config = _configuration(service, versions)
    config.output_buffer = output
    command.upgrade(config, "head", sql=True)
    return output.getvalue()


def comparison_options(service: Service, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """How alembic looks at this service's schema: nothing of others, and no partition that the archive made.

    `without` names tables to leave out on both sides.
    """

    def mine(name: str | None, kind: str, _: Any) -> bool:
        if kind == "schema":
            return name == service.name
        return not (kind == "table" and name and (_PARTITION.fullmatch(name) or name == VERSION_TABLE))

    def wanted(_: Any, name: str | None, kind: str, *__: Any) -> bool:
        return not (kind == "table" and name in without)

    return {
        "target_metadata": service.metadata,
        "version_table": VERSION_TABLE,
        "version_table_schema": service.name,
        "include_schemas": True,
        "include_name": mine,
        "include_object": wanted,
        "compare_type": True,
    }


def versions_of(service: Service) -> Path:
    package = import_module(service.name)
    return Path(str(package.__file__)).parent / "migrations" / "versions"


def _configuration(service: Service, versions: Path | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "history"))
    config.set_main_option("version_locations", str(versions or versions_of(service)))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["service"] = service
    return config


@asynccontextmanager
async def _upgraded(
    service: Service, admin_url: str, secret: str, prefix: str, versions: Path | None
) -> AsyncIterator[tuple[asyncpg.Connection, Roles]]:
    """Roles and schema as the history says, under the lock that lets one `migrate` at a time into a database."""
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute(f"select pg_advisory_lock(hashtext('{_LOCK}'))")
        roles = await _prepare(admin, service, secret, prefix)
        config = _configuration(service, versions)
        await _run(admin_url, service, roles.owner, lambda connection: _upgrade(config, connection))
        yield admin, roles
    finally:
        await admin.close()


def _upgrade(config: Config, connection: Connection) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _prepare(admin: asyncpg.Connection, service: Service, secret: str, prefix: str) -> Roles:
    roles = await create_roles(admin, service.name, secret=secret, prefix=prefix)
    await admin.execute(f'grant "{roles.owner}" to current_user')
    if service.metadata is not None and _is_spatial(service.metadata):
        await _require_postgis(admin, service.name)
    if service.metadata is not None and _has_trigrams(service.metadata):
        await admin.execute("create extension if not exists pg_trgm schema public")
    await admin.execute(f'create schema if not exists "{service.name}" authorization "{roles.owner}"')
    database = await admin.fetchval("select current_database()")
    await admin.execute(";".join(database_grants(database, service.name, roles)))
    return roles


def _is_spatial(metadata: MetaData) -> bool:
    return any(type(column.type).__name__ in _SPATIAL for table in metadata.tables.values() for column in table.columns)


def _has_trigrams(metadata: MetaData) -> bool:
    indexes = (index for table in metadata.tables.values() for index in table.indexes)
    return any("gin_trgm_ops" in index.dialect_options["postgresql"]["ops"].values() for index in indexes)


async def _require_postgis(admin: asyncpg.Connection, service: str) -> None:
    try:
        await admin.execute("create extension if not exists postgis schema public")
    except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
        raise PostgisMissing(service) from error


async def _run(
    admin_url: str,
    service: Service,
    owner: str,
    work: Callable[[Connection], Result],
    *,
    search_path: str | None = None,
) -> Result:
    """Do synchronous work on a connection that acts as the schema's owner, with the limits of a migration."""

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(admin_url)
        await connection.execute(
            f'set role "{owner}"; set search_path = {search_path or f"{service.name}, public"};'
            f"set lock_timeout = '{LOCK_TIMEOUT}'; set statement_timeout = '{STATEMENT_TIMEOUT}'"
        )
        return connection

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _unlike_checks(connection: Connection, metadata: MetaData) -> list[tuple[str, str, str]]:
    """CHECKs whose quoted words differ: alembic does not look, and a new status would be refused in production."""
    rows = connection.execute(
        text(
            "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
            " where contype = 'c' and connamespace = to_regnamespace(:schema)"
        ),
        {"schema": metadata.schema},
    )
    known = {(table.rpartition(".")[2].strip('"'), name): _words(definition) for table, name, definition in rows}
    return [
        ("check", table.name, str(constraint.name))
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
        and known.get(_check_key(constraint)) != _words(str(constraint.sqltext))
    ]


def _check_key(constraint: CheckConstraint) -> tuple[str, str]:
    prefix = f"ck_{constraint.table.name}_"
    return str(constraint.table.name), prefix + str(constraint.name).removeprefix(prefix)


def _words(definition: str) -> frozenset[str]:
    """The quoted words of a CHECK. PostgreSQL shows some numbers in quotes too; those are left out."""
    return frozenset(word for word in _WORD_IN_CHECK.findall(definition) if not word.lstrip("-").isdigit())
