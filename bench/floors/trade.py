"""A bare two-service trade: FastAPI and asyncpg, a schema of its own, no keys, no events handled, no tokens.

`orders` writes an attempt, calls `catalog` once to take stock of all lines, and writes group, orders, lines and one
outbox row per order: the same number of transactions and calls as the real checkout. `catalog` also answers reads by
running the SQL texts and arguments in the file BENCH_READS, so that reads are compared over the same query.
Usage: uvicorn bench.floors.trade:catalog (or :orders), with BENCH_DATABASE, BENCH_CATALOG and BENCH_READS.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from fastapi import FastAPI, Request, Response

SCHEMA = """
drop schema if exists bare cascade; create schema bare;
create table bare.stock (
  id uuid primary key, available bigint check (available >= 0), reserved bigint not null default 0);
create table bare.reservations (id uuid primary key, checkout uuid not null, product uuid not null, qty int not null);
create table bare.attempts (id uuid primary key, body jsonb not null, state text not null);
create table bare.groups (id uuid primary key, tip bigint not null);
create table bare.orders (id uuid primary key, group_id uuid not null, vendor uuid not null, total bigint not null);
create table bare.lines (id uuid primary key, order_id uuid not null, product uuid not null, qty int not null);
create table bare.outbox (id bigint generated always as identity primary key, body jsonb not null);
"""

RESERVE = """
with wanted as (select * from unnest($2::uuid[], $3::uuid[], $4::int[]) as w(line, product, qty)),
locked as (select s.id from bare.stock s join wanted w on w.product = s.id order by s.id for update of s),
taken as (
  update bare.stock s set available = s.available - w.qty, reserved = s.reserved + w.qty
  from wanted w join locked l on l.id = w.product where s.id = w.product and s.available >= w.qty returning s.id
)
insert into bare.reservations select w.line, $1, w.product, w.qty from wanted w join taken t on t.id = w.product
returning id
"""

COMMIT = """
with done as (update bare.attempts set state = 'committed' where id = $1 and state = 'reserving'),
made as (insert into bare.groups values ($1, 0)),
sold as (insert into bare.orders select o, $1, o, 100 from unnest($2::uuid[]) o),
listed as (
  insert into bare.lines
  select l, o, p, q from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::int[]) t(l, o, p, q))
insert into bare.outbox (body) select jsonb_build_object('order', o, 'lines', $7::jsonb) from unnest($2::uuid[]) o
"""


@asynccontextmanager
async def _pool(app: FastAPI) -> AsyncIterator[None]:
    app.state.pool = await asyncpg.create_pool(
        os.environ["BENCH_DATABASE"], min_size=6, max_size=6, server_settings={"search_path": "catalog,public"}
    )
    app.state.http = aiohttp.ClientSession()
    app.state.reads = json.loads(Path(os.environ["BENCH_READS"]).read_text())  # noqa: ASYNC240  once, at the start
    yield
    await app.state.http.close()
    await app.state.pool.close()


catalog = FastAPI(lifespan=_pool)
orders = FastAPI(lifespan=_pool)


@catalog.get("/read/{name}")
async def read(name: str, request: Request) -> Response:
    """The JSON texts that the named query builds, in the last column of its rows."""
    query = request.app.state.reads[name]
    async with request.app.state.pool.acquire() as connection:
        rows = await connection.fetch(query["sql"], *(_value(kind, value) for kind, value in query["args"]))
    items = b",".join(row[-1].encode() for row in rows)
    return Response(b'{"data":[' + items + b"]}", media_type="application/json")


@catalog.post("/reserve")
async def reserve(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Take the stock of all lines in one transaction."""
    lines = [UUID(line["line"]) for line in body["lines"]]
    products = [UUID(line["product"]) for line in body["lines"]]
    quantities = [line["qty"] for line in body["lines"]]
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        taken = await connection.fetch(RESERVE, UUID(body["checkout"]), lines, products, quantities)
    return {"taken": [str(row["id"]) for row in taken]}


@orders.post("/checkout", status_code=201)
async def checkout(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Write the attempt, reserve, write the orders."""
    group, pool = uuid4(), request.app.state.pool
    lines = [{"line": str(uuid4()), **line} for line in body["lines"]]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("insert into bare.attempts values ($1, $2, 'reserving')", group, json.dumps(lines))
    command = {"checkout": str(group), "lines": lines}
    async with request.app.state.http.post(f"{os.environ['BENCH_CATALOG']}/reserve", json=command) as answer:
        taken = set((await answer.json())["taken"])
    kept = [line for line in lines if line["line"] in taken]
    made = {vendor: uuid4() for vendor in sorted({line["vendor"] for line in kept})}
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(COMMIT, group, list(made.values()), *_columns(kept, made), json.dumps(kept))
    return {"data": {"group": str(group), "orders": [str(order) for order in made.values()], "lines": kept}}


def _columns(lines: list[dict[str, Any]], made: dict[str, UUID]) -> tuple[list[Any], ...]:
    return (
        [UUID(line["line"]) for line in lines],
        [made[line["vendor"]] for line in lines],
        [UUID(line["product"]) for line in lines],
        [line["qty"] for line in lines],
    )


def _value(kind: str, value: Any) -> Any:
    return UUID(value) if kind == "uuid" and value is not None else value
