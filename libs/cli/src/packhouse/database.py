"""The database that the services share, each in a schema of its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from packhouse.processes import StackError
from packhouse.servers import with_database

DATABASE = "packhouse"


def address(server_url: str) -> str:
    """The services' database on a server."""
    return with_database(server_url, DATABASE)


def prepare(server_url: str) -> None:
    """Make the database and its extension when they are missing. An event loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_prepare(server_url))).result()


async def _prepare(server_url: str) -> None:
    server = await asyncpg.connect(server_url)
    try:
        if not await server.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
            await server.execute(f'create database "{DATABASE}"')
    finally:
        await server.close()
    await _require_postgis(address(server_url))


async def _require_postgis(url: str) -> None:
    database = await asyncpg.connect(url)
    try:
        await database.execute("create extension if not exists postgis schema public")
    except asyncpg.PostgresError as error:
        hint = "on Debian: apt-get install postgresql-15-postgis-3"
        raise StackError(f"PostGIS cannot be had on this PostgreSQL ({error}); {hint}") from error
    finally:
        await database.close()
