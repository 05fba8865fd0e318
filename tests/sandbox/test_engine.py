"""`isolate: container(…)` with a real engine (podman or docker), where one runs: what it keeps apart, and that nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.run import HostCalls
from tests.sandbox.bench import Bench
from tests.sandbox.engine import Engine, find_engine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The engine of this machine."""
    found = find_engine()
    if isinstance(found, str):
        pytest.skip(f"no container engine runs here: {found}")
    yield found
    found.remove()


@pytest.fixture(scope="module")
def bench(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """In containers of it."""
    with HostCalls((), tmp_path_factory.mktemp("project"), workers=1) as calls:
        yield Bench(calls, engine.level())


def left(engine: Engine, before: frozenset[str]) -> frozenset[str]:
    """The containers that have come since; the engine may take a moment to forget them."""
    until = time.monotonic() + 20
    while (found := engine.containers() - before) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def test_right_is_right_and_wrong_is_wrong(bench: Bench) -> None:
    tests = ["assert double(2) == 4", "assert double(-1) == -2"]
    assert bench.tests("def double(x): return 2 * x", tests).value == 1
    assert bench.tests("def double(x): return x ** 2", tests).value == 0
    assert bench.tests("def double(x): return x ** 2", tests, score="share").value == 0.5
    assert bench.program("print(int(input()) + 1)", ("1", "2"), ("41", "42")).value == 1
    assert bench.sql("select sum(x) from t", "create table t (x); insert into t values (1), (2)", [[3]]).value == 1


def test_limits_hold_in_it(bench: Bench) -> None:
    assert bench.tests("def f():\n    while True: pass", "assert f() == 1", timeout=1.0).kind == "timeout"
    assert bench.tests("def f(): return len(bytearray(1 << 30))", "assert f() == 1 << 30", memory=256).value == 0
    assert bench.tests("def f(): return 1", "assert f() == 1").value == 1


def test_it_sees_neither_the_network_nor_the_files_of_this_machine(bench: Bench, tmp_path: Path) -> None:
    """Code asks for what is outside, and says what it got. Without seccomp in it, a socket may be had, but leads nowhere."""
    (tmp_path / "secret").write_text("known")
    code = f"""
import os
def network():
    import socket
    try:
        with socket.create_connection(("1.1.1.1", 53), timeout=1): return "reached"
    except OSError: return "nothing"
def devices(): return sorted(line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line)
def secret(): return os.path.exists({str(tmp_path / "secret")!r})
def others(): return sum(name.isdigit() for name in os.listdir("/proc")) < 10
"""
    found = bench.tests(code, ["assert network() == 'nothing'", "assert devices() == ['lo']", "assert secret() is False",
                               "assert others()"])
    assert found.value == 1, found.evidence


def test_no_container_is_left_when_its_worker_is_let_go(engine: Engine, tmp_path: Path) -> None:
    before = engine.containers()
    with HostCalls((), tmp_path, workers=2) as calls:
        assert Bench(calls, engine.level()).tests("def f(): return 1", "assert f() == 1").value == 1
        assert engine.containers() - before
    assert left(engine, before) == frozenset()


def test_a_function_in_it_is_ended_at_its_deadline_and_its_container_with_it(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text("import time\ndef one(text): return 1.0\ndef hangs(text): time.sleep(300)\n")
    before = engine.containers()
    level = engine.level("-v", f"{tmp_path}:/project:ro", "-w", "/project")
    with HostCalls((), tmp_path, workers=1) as calls:
        kinds = []
        for name in ("one", "hangs", "one"):
            settings = {"function": f"functions:{name}", "range": (0.0, 1.0), "isolate": level, "timeout": 5.0}
            outcome = calls.call(Foreign("verify.python", ("text",), tuple(sorted(settings.items()))), [["x"]])
            kinds.append(outcome.failed[0].kind if outcome.failed else float(outcome.values[0]))
    assert kinds == [1.0, FailureKind.TIMEOUT, 1.0]
    assert left(engine, before) == frozenset()
