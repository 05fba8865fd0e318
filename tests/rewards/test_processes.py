"""Child processes: deadlines, crashes, restarts, and that nothing survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rldsl.rewards import pool
from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.pool import MOST_IN_A_ROW
from rldsl.rewards.run import HostCalls
from tests.rewards.project import function
from tests.rewards.test_python import kinds


@pytest.fixture
def alone(project: Path) -> Iterator[HostCalls]:
    """Host calls with one worker, for this test alone."""
    with HostCalls((), project, workers=1) as opened:
        yield opened


def is_alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pids: list[int], seconds: float = 5.0) -> list[int]:
    """The processes that are still alive after so long."""
    until = time.monotonic() + seconds
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < until:
        time.sleep(0.01)
    return left


def test_a_hang_is_killed_at_its_deadline_and_the_rest_goes_on(calls: HostCalls) -> None:
    started = time.perf_counter()
    outcome = calls.call(function("hangs", timeout=1.0), [["a", "hang", "b", "c"]])
    assert kinds(outcome) == [1, FailureKind.TIMEOUT, 1, 1]
    assert time.perf_counter() - started < 30


def test_a_hang_that_never_lets_go_of_the_interpreter_is_killed_too(calls: HostCalls) -> None:
    outcome = calls.call(function("spins", timeout=1.0), [["aa", "a" * 60 + "!", "b"]])
    assert kinds(outcome) == [1, FailureKind.TIMEOUT, 0]


def test_a_process_that_is_found_ended_at_the_deadline_has_crashed(alone: HostCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens before the deadline here: what is there by then is read, and that it has ended is no silence."""
    move = pool._Batch._move

    def late(batch: pool._Batch, worker: pool.Worker, what: str) -> None:
        if what != "replies" or worker.opening is not None:
            move(batch, worker, what)
    monkeypatch.setattr(pool._Batch, "_move", late)
    assert kinds(alone.call(function("crashes", timeout=1.0), [["a", "crash", "b"]])) == [1, FailureKind.CRASH, 1]


def test_a_crash_is_the_failure_of_its_item_alone(alone: HostCalls) -> None:
    outcome = alone.call(function("crashes"), [["a", "crash", "b"]])
    assert kinds(outcome) == [1, FailureKind.CRASH, 1]
    assert outcome.failed[1].message == (
        "the process of the function ended (exit status 7); it last printed: going down")


def test_a_signal_is_named(alone: HostCalls) -> None:
    outcome = alone.call(function("dies"), [["die", "b"]])
    assert kinds(outcome) == [FailureKind.CRASH, 1]
    assert "signal 11" in outcome.failed[0].message


@pytest.mark.slow
def test_crash_after_crash_is_given_up(alone: HostCalls) -> None:
    outcome = alone.call(function("always_crashes"), [[str(index) for index in range(200)]])
    found = [failure.kind for failure in outcome.failed.values()]
    assert found.count(FailureKind.CRASH) == MOST_IN_A_ROW
    assert found.count(FailureKind.GIVEN_UP) == 200 - MOST_IN_A_ROW


def test_what_a_function_prints_is_no_reply(alone: HostCalls) -> None:
    assert kinds(alone.call(function("prints"), [["a", "b"]])) == [1, 1]


def test_a_function_has_no_input_to_wait_for(alone: HostCalls) -> None:
    assert kinds(alone.call(function("reads"), [["a"]])) == [0]


def test_a_function_runs_in_the_folder_of_its_project_and_finds_its_modules(alone: HostCalls) -> None:
    assert kinds(alone.call(function("where"), [["a"]])) == [1]


def test_workers_stay_between_batches(alone: HostCalls) -> None:
    pid = function("pid", high=1e9)
    assert alone.call(pid, [["a"]]).values[0] == alone.call(pid, [["b"]]).values[0]


def test_a_worker_that_died_between_batches_is_replaced(alone: HostCalls) -> None:
    pid = function("pid", high=1e9)
    first = int(alone.call(pid, [["a"]]).values[0])
    os.kill(first, signal.SIGKILL)
    assert wait_until_gone([first]) == []
    time.sleep(0.1)
    second = alone.call(pid, [["b"]])
    assert not second.failed
    assert second.values[0] != first


def test_items_are_shared_among_workers(calls: HostCalls) -> None:
    pid = function("slow_pid", high=1e9)
    calls.call(pid, [["warm", "up"]])
    outcome = calls.call(pid, [[str(index) for index in range(20)]])
    assert not outcome.failed
    assert len(set(outcome.values)) == 2


def test_large_texts_pass_both_ways(calls: HostCalls) -> None:
    text = "\U0001f600" * 500_000
    outcome = calls.call(function("same", "text", "answer"), [[text, "a"], [text, "b"]])
    assert kinds(outcome) == [1, 0]


def test_half_a_surrogate_pair_passes(calls: HostCalls) -> None:
    assert kinds(calls.call(function("same", "text", "answer"), [["\ud83d"], ["\ud83d"]])) == [1]


def test_calls_of_several_threads_do_not_mix(calls: HostCalls) -> None:
    found: dict[int, list[object]] = {}

    def work(number: int) -> None:
        texts = [f"{number} {index}" for index in range(50)]
        answers = [text if index % 2 else "" for index, text in enumerate(texts)]
        found[number] = kinds(calls.call(function("same", "text", "answer"), [texts, answers]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(values == [0.0, 1.0] * 25 for values in found.values())
    assert len(found) == 4


def test_closing_ends_every_worker(project: Path) -> None:
    with HostCalls((), project, workers=2) as opened:
        pids = [int(pid) for pid in opened.call(function("pid", high=1e9), [list("abcdef")]).values]
        assert all(is_alive(pid) for pid in pids)
    assert wait_until_gone(pids) == []


def test_what_a_function_started_is_killed_with_it(alone: HostCalls, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    assert kinds(alone.call(function("grandchild", timeout=1.0), [[str(note)]])) == [FailureKind.TIMEOUT]
    assert wait_until_gone([int(word) for word in note.read_text().split()]) == []


SCRIPT = """
import sys
from pathlib import Path
from rldsl.rewards.run import HostCalls
from tests.rewards.project import function
calls = HostCalls((), Path(sys.argv[1]), workers=1)
print(int(calls.call(function(sys.argv[2], high=1e9, timeout=100.0), [[sys.argv[3]]]).values[0]))
"""


@pytest.mark.parametrize("name", ["grandchild", "stuck_in_c"])
def test_nothing_survives_a_parent_that_is_killed(project: Path, tmp_path: Path, name: str) -> None:
    note = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(project), name, str(note)])
    until = time.monotonic() + 20
    while not (note.exists() and len(note.read_text().split()) == 2) and time.monotonic() < until:
        time.sleep(0.02)
    pids = [int(word) for word in note.read_text().split()]
    assert all(is_alive(pid) for pid in pids)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until_gone(pids) == []


def test_a_parent_that_ends_without_closing_leaves_nothing(project: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(project), "pid", "a"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert wait_until_gone([int(ended.stdout)]) == []
