"""A process is known by its number and its birth, and ends when it is told to."""

import signal
import sys
from pathlib import Path

import pytest

from packhouse.processes import Process, Program, Record, wait_until
from packhouse.roster import Roster

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def _start(tmp_path: Path, code: str = "import time; time.sleep(60)", **environment: str) -> Process:
    return Process.start(Program("thing", [sys.executable, "-c", code], tmp_path / "thing.log", environment))


def test_a_killed_process_is_not_alive(tmp_path: Path) -> None:
    process = _start(tmp_path)
    assert process.alive
    process.kill()
    assert not process.alive


def test_a_process_that_ignores_the_request_is_made_to_end(tmp_path: Path) -> None:
    process = _start(tmp_path, STUBBORN)
    assert wait_until(lambda: "up" in process.tail(), 5)
    process.stop(timeout=0.2)
    assert not process.alive


def test_a_paused_process_is_alive_and_still_ends_gently(tmp_path: Path) -> None:
    process = _start(tmp_path)
    process.pause()
    assert process.alive
    process.stop(timeout=5)
    assert not process.alive


def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path) -> None:
    process = _start(tmp_path)
    mistaken = Process(Record("old", process.pid, process.record.birth - 1))
    assert not mistaken.alive
    mistaken.kill()
    assert process.alive
    process.kill()


def test_a_process_gets_its_own_environment_and_log(tmp_path: Path) -> None:
    process = _start(tmp_path, "import os; print(os.environ['FLAVOUR'])", FLAVOUR="citrus")
    assert process.wait(5)
    assert process.tail() == "citrus"


def test_the_roster_finds_what_another_command_has_started(tmp_path: Path) -> None:
    process = _start(tmp_path)
    Roster(tmp_path / "run" / "processes.json").add(process.record)
    found = Roster(tmp_path / "run" / "processes.json").living()
    assert found["thing"].pid == process.pid
    found["thing"].stop()
    assert not Roster(tmp_path / "run" / "processes.json").living()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_an_ended_process_is_no_error(tmp_path: Path, number: signal.Signals) -> None:
    process = _start(tmp_path, "pass")
    assert process.wait(5)
    process.send(number)
