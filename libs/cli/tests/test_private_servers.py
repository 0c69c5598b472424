"""Private servers of a folder: beside whatever else runs on the machine, back after a crash, gone at the end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from packhouse import database
from packhouse.cloud import VARIABLES, cloud_variables
from packhouse.home import Home
from packhouse.processes import Process, Program, StackError, wait_until
from packhouse.servers import Postgres, RabbitMQ, Redis, Servers, end_everything
from packhouse.stack import Stack


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Under pytest's folder, which PostgreSQL's account may not enter: so the way around that is tried too."""
    made = Home(tmp_path)
    yield made
    end_everything(made)
    made.wipe()
    assert not made.roster.living()


def test_a_second_start_changes_nothing(home: Home) -> None:
    Redis(home).start()
    again = Redis(home)
    before = again.process.pid
    again.start()
    assert again.process.pid == before


def test_a_server_that_was_killed_comes_back_at_its_address(home: Home) -> None:
    server = Redis(home)
    server.start()
    address = server.url
    server.kill()
    assert not server.answers()
    server.start()
    assert server.url == address


async def test_postgres_keeps_what_was_committed_before_a_crash(home: Home) -> None:
    server = Postgres(home)
    await asyncio.to_thread(server.start)
    await _run(server.url, "create table kept as select 1 as one")
    holding = await asyncpg.connect(server.url)
    server.kill()
    await asyncio.to_thread(server.start)
    assert await _run(server.url, "select one from kept") == 1
    holding.terminate()


async def test_the_services_database_has_postgis_and_is_made_once(home: Home) -> None:
    server = Postgres(home)
    await asyncio.to_thread(server.start)
    database.prepare(server.url)
    database.prepare(server.url)
    assert await _run(database.address(server.url), "select postgis_version() is not null")


def test_stopping_removes_data_outside_the_folder_only_when_asked(home: Home) -> None:
    server = Postgres(home)
    server.start()
    server.stop()
    assert (server.directory / "PG_VERSION").exists()
    home.wipe()
    assert not server.directory.exists()


def test_named_servers_are_used_and_never_ended(home: Home) -> None:
    redis = Redis(home)
    redis.start()
    servers = Servers(home, {"PACKHOUSE_REDIS_URL": redis.url})
    servers.redis.start()
    servers.redis.stop()
    with pytest.raises(StackError):
        servers.redis.kill()
    assert redis.alive


def test_services_that_an_earlier_command_started_end_before_the_servers_under_them(home: Home) -> None:
    redis = Redis(home)
    redis.start()
    code = (
        "import signal, socket, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: (socket.create_connection(('127.0.0.1', int(sys.argv[1]))),"
        " print('redis was there', flush=True), sys.exit()));"
        "print('up', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(redis.port)]
    service = Process.start(Program("orders", words, home.log("orders")))
    home.roster.add(service.record)
    assert wait_until(lambda: "up" in service.tail(), 5)
    Stack(home.root, detached=True, given={}).stop()
    assert "redis was there" in service.tail()
    assert not redis.alive


def test_stand_ins_for_the_cloud_start_only_where_they_are_asked_for(home: Home) -> None:
    names = {server.name for server in Servers(home, {}).all}
    assert {server.name for server in Servers(home, {}, cloud=True).all} - names == {"storage", "pubsub"}


def test_a_named_store_and_pubsub_are_told_to_nobody_but_by_their_names(home: Home) -> None:
    named = {"PACKHOUSE_STORAGE_URL": "https://store.test", "PACKHOUSE_PUBSUB_EMULATOR": "127.0.0.1:8085"}
    servers = Servers(home, named, cloud=True)
    assert [server.url for server in servers.cloud] == ["grpc://127.0.0.1:8085", "https://store.test"]
    assert cloud_variables(servers, home.keys) == {}


def test_a_private_cloud_is_told_by_every_variable_there_is(home: Home) -> None:
    servers = Servers(home, {}, cloud=True)
    servers.settle_addresses()
    assert set(cloud_variables(servers, home.keys)) == set(VARIABLES)


def test_servers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from packhouse.guard import watch_over;"
        "from packhouse.home import Home; from packhouse.servers import Redis;"
        "home = Home(Path(sys.argv[1])); watch_over(home, os.getpid()); Redis(home).start();"
        "print('up', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)  # noqa: S603  our own words
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    redis = Home(tmp_path).roster.living()["redis"]
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert wait_until(lambda: not redis.alive, 10)


@pytest.mark.long
def test_rabbitmq_comes_back_after_a_crash(home: Home) -> None:
    server = RabbitMQ(home)
    server.start()
    server.add_vhosts(["kept"])
    server.kill()
    server.start()
    assert "kept" in server.control("list_vhosts")


async def _run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
