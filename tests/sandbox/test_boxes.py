"""Boxes themselves: keepers that die, systems that refuse, functions of a project in places of their own, what a kernel is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.run import HostCalls
from rldsl.rewards.sandbox import calls_filter, frames, system
from rldsl.rewards.sandbox.blocks import code_in
from tests.sandbox.bench import CONTAINER, Bench, Verdict, descendants, refusal

ROOT = Path(__file__).parents[2]
OWN = -1  # the number of the process that asks


# ------------------------------------------------------------------ keepers
def kill_at_once(process: int) -> None:
    """Also where it has ended since it was listed, as what serves a container does with it."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


SLEEPING: dict[str, Callable[[Bench, float], Verdict]] = {
    "program": lambda bench, seconds: bench.program(f"import time\ntime.sleep({seconds})\nprint(1)", ("", "1"), timeout=20.0),
    "tests": lambda bench, seconds: bench.tests(f"import time\ndef f():\n    time.sleep({seconds})\n    return 1",
                                                ["assert f() == 1"], timeout=20.0)}


@pytest.mark.parametrize("kind", SLEEPING)
def test_an_item_whose_keeper_died_is_tried_again(bench: Bench, kind: str) -> None:
    assert SLEEPING[kind](bench, 0.0).value == 1.0
    keepers = descendants("box.keeper")
    killer = threading.Timer(0.7, lambda: [kill_at_once(keeper) for keeper in keepers])
    killer.start()
    assert SLEEPING[kind](bench, 1.5).value == 1.0
    killer.join()


@pytest.mark.parametrize("kind", SLEEPING)
def test_code_whose_keeper_dies_twice_is_wrong(near: Bench, kind: str) -> None:
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.3):
            for process in descendants("box.keeper"):
                kill_at_once(process)

    assert SLEEPING[kind](near, 0.0).value == 1.0
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = SLEEPING[kind](near, 9.0)
    finally:
        stop.set()
        killer.join()
    assert found.value in (0.0, None)
    assert found.failure is None or found.failure.kind is FailureKind.SETUP
    assert near.program("print(1)", ("", "1")).value == 1.0


# ------------------------------------------------------------------ systems that refuse
REFUSING = """
import sys
from rldsl.rewards.sandbox import calls_filter, system
what = sys.argv[1]
refused = {"landlock": 444, "namespaces": 272}.get(what)
calls_filter._DENIED = {"what": (refused, refused)}
calls_filter._SHARED = {}
option = 22 if what == "seccomp" else 9999
calls_filter._by_arguments = lambda name, *more: [
    (0x20, 0, 0, 16), (0x15, 0, 1 if name == "prctl" else 0, option), (0x06, 0, 0, 0x00050001 if name == "prctl" else 0x7FFF0000),
    (0x06, 0, 0, 0x7FFF0000)]
system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
calls_filter.install(processes=True, owners=True, signals=True)
from pathlib import Path
from rldsl.graph.model import Foreign
from rldsl.rewards.run import HostCalls
with HostCalls((), Path("."), workers=1) as calls:
    operation = Foreign("verify.tests", ("text", "tests"), (("isolate", sys.argv[2]),))
    found = calls.call(operation, [["```python\\nf = 1\\n```"], [["assert f == 1"]]])
    print(found.values[0], found.failed.get(0))
"""


@pytest.mark.parametrize(("what", "level", "said"), [
    ("landlock", "process", "Landlock is not available"), ("seccomp", "process", "seccomp is not available"),
    ("seccomp", "namespace", "seccomp is not available"), ("namespaces", "namespace", "namespaces are not available"),
    ("nothing", "process", "1.0 None"), ("nothing", "namespace", "1.0 None"),
])
def test_what_the_system_refuses_is_said_and_nothing_is_run_with_less(what: str, level: str, said: str, tmp_path: Path) -> None:
    if system.MACHINE != "x86_64":
        pytest.skip("the filter that stands for a system that refuses is written for x86-64")
    if reason := refusal(level):
        pytest.skip(f"there is nothing to refuse here: {reason}")
    command = [sys.executable, "-c", REFUSING, what, level]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True, timeout=120)
    assert said in ended.stdout
    assert ("setup: " in ended.stdout) is (what != "nothing")


# ------------------------------------------------------------------ functions of the project
FUNCTIONS = """
import os, socket, subprocess, sys, time
def low(text): return float(os.getpid() < 50)
def reads(text): return float(open(__file__).read(1) != "")
def writes(text):
    with open(os.environ["TMPDIR"] + "/x", "w") as file: file.write("x")
    try: open(__file__, "a")
    except OSError: return 1.0
    return 0.0
def connects(text):
    try: socket.socket()
    except OSError: return 1.0
    return 0.0
def starts(text): return float(subprocess.run(["true"]).returncode == 0)
def prints(text): print('["value", 0.0]'); os.write(1, b"x" * 100000); return 1.0
def hangs(text): time.sleep(100)
def dies(text): os.kill(os.getpid(), 9 if os.getpid() > 50 else 11); os._exit(3)
def escapes(text):
    program = "import os, time; os.setsid(); os.fork() and os._exit(0); time.sleep(300)"
    child = subprocess.Popen([sys.executable, "-c", program, "escaped-marker"])
    child.wait()
    time.sleep(300)
"""


@pytest.fixture(scope="module", params=["namespace", "container"])
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Functions of a project that run elsewhere."""
    level = {"namespace": "namespace", "container": CONTAINER}[request.param]
    if reason := refusal(level):
        pytest.skip(f"no `isolate: {request.param}` here: {reason}")
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions.py").write_text(FUNCTIONS)
    calls = HostCalls((), folder, workers=1)
    request.addfinalizer(calls.close)
    return Bench(calls, level)


def called(bench: Bench, name: str, timeout: float = 10.0) -> float | FailureKind:
    """What a function of the project gives."""
    settings = {"function": f"functions:{name}", "range": (0.0, 1.0), "isolate": bench.level, "timeout": timeout}
    outcome = bench.calls.call(Foreign("verify.python", ("text",), tuple(sorted(settings.items()))), [["x"]])
    return outcome.failed[0].kind if outcome.failed else float(outcome.values[0])


def test_a_function_runs_where_it_is_told_to(elsewhere: Bench) -> None:
    assert [called(elsewhere, name) for name in ("low", "reads", "starts", "prints")] == [1.0] * 4
    assert called(elsewhere, "hangs", timeout=0.5) is FailureKind.TIMEOUT
    assert called(elsewhere, "dies") is FailureKind.CRASH
    assert called(elsewhere, "low") == 1.0


def test_a_path_that_holds_the_folder_of_temporary_files_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new root lies over a folder, which is then not there to be shown."""
    if reason := refusal("namespace"):
        pytest.skip(f"no `isolate: namespace` here: {reason}")
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("/tmp", "/mnt")))
    with HostCalls((), tmp_path, workers=1) as calls:
        assert [called(Bench(calls, "namespace"), name) for name in ("reads", "writes")] == [1.0, 1.0]


def test_a_function_in_a_namespace_has_no_network_and_writes_in_its_folder_alone(elsewhere: Bench) -> None:
    if elsewhere.level != "namespace":
        pytest.skip("what a container keeps apart is the container's business")
    assert [called(elsewhere, name) for name in ("writes", "connects")] == [1.0, 1.0]


def test_what_leaves_its_group_and_its_parent_is_killed_at_the_deadline_too(tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    with HostCalls((), tmp_path, workers=1) as calls:
        assert called(Bench(calls, "process"), "escapes", timeout=2.0) is FailureKind.TIMEOUT
        until = time.monotonic() + 10
        while (left := _marked("escaped-marker")) and time.monotonic() < until:
            time.sleep(0.05)
    assert left == []


def _marked(word: str) -> list[str]:
    """All processes of this machine whose command line holds a word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line, state = (entry / "cmdline").read_bytes(), (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in line and state != "Z":
                found.append(entry.name)
    return found


# ------------------------------------------------------------------ parts
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("several", [True, False])
def test_the_filter_is_a_program_that_the_kernel_can_follow(machine: str, several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "MACHINE", machine)
    found = calls_filter.instructions(processes=several, owners=several, signals=several)
    assert len(found) < 4096
    for place, (code, if_so, if_not, constant) in enumerate(found):
        assert 0 <= if_so < 256 and 0 <= if_not < 256 and 0 <= constant < 2**32
        assert code == 0x06 or place + 1 + max(if_so, if_not) < len(found)
    assert found[-1] == (0x06, 0, 0, 0x7FFF0000)


@pytest.mark.parametrize(("machine", "number", "arguments", "allowed"), [
    ("x86_64", 0, (), True), ("x86_64", 41, (2, 1, 0), False), ("aarch64", 198, (2, 1, 0), False), ("x86_64", 101, (), False),
    ("x86_64", 53, (1, 1, 0), True), ("x86_64", 53, (1, 2, 0), False), ("x86_64", 53, (2, 1, 0), False),
    ("x86_64", 56, (0x11,), False), ("x86_64", 56, (0x3D0F00,), True), ("x86_64", 56, (0x10010F00 | 0x10000000,), False),
    ("x86_64", 62, (OWN, 9), True), ("x86_64", 62, (1, 9), False), ("x86_64", 435, (), False), ("x86_64", 9999, (), False),
    ("x86_64", 0x40000000, (), False), ("x86_64", 72, (3, 8, 1), False), ("x86_64", 72, (3, 3, 1), True),
    ("x86_64", 157, (1, 0), False), ("x86_64", 157, (15, 0), True), ("x86_64", 302, (0, 1), True),
    ("x86_64", 302, (1, 1), False), ("aarch64", 129, (1, 9), False),
])
def test_the_filter_says_of_each_call_what_is_meant(machine: str, number: int, arguments: tuple[int, ...], allowed: bool,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "MACHINE", machine)
    program = calls_filter.instructions(processes=False, owners=False, signals=False)
    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    arguments = tuple(os.getpid() if argument == OWN else argument for argument in arguments)
    assert (_followed(program, architecture, number, arguments) == 0x7FFF0000) is allowed
    assert _followed(program, 0x40000003, number, arguments) == 0x80000000  # a program of another architecture is killed


def _followed(program: list[calls_filter.Instruction], architecture: int, number: int, arguments: tuple[int, ...]) -> int:
    """What the kernel would return: an interpreter of the five instructions."""
    held, place = 0, 0
    while True:
        code, if_so, if_not, constant = program[place]
        place += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            index = (constant - 16) // 8
            held = number if constant == 0 else architecture if constant == 4 else arguments[index] if index < len(arguments) else 0
        elif code == 0x54:
            held &= constant
        else:
            place += if_so if (held == constant if code == 0x15 else held >= constant) else if_not


def test_frames_arrive_whole_however_they_are_cut() -> None:
    source, sink = os.pipe()
    port = frames.Port(source, os.dup(sink))
    data = b"C" + (3).to_bytes(4, "big") + b"abc" + b"X" + (0).to_bytes(4, "big")
    found = []
    for byte in data:
        os.write(sink, bytes([byte]))
        found += port.take()
    assert found == [("C", b"abc"), ("X", b"")]
    os.close(sink)
    os.close(port.sink)
    assert port.take() == []
    assert port.is_closed
    os.close(source)


@pytest.mark.parametrize(("text", "language", "code"), [
    ("```python\na\n```", "python", "a"), ("```py\na\n```\n```python\nb\n```", "python", "b"), ("```\na\n```", "python", "a"),
    ("```python\na\n```\n```text\nb\n```", "python", "a"), ("```python\na", "python", None), ("no code", "python", None),
    ("~~~python\na\n```\nb\n~~~", "python", "a\n```\nb"), ("````python\n```\na\n````", "python", "```\na"),
    ("```Python title=x\na\n```", "python", "a"), ("  ```python\n  a\n  ```", "python", "  a"), ("```sql\na\n```", "python", None),
    ("```js\na\n```", "javascript", "a"), ("```python\n\n```", "python", ""), ("```python\na\n``` \nafter", "python", "a"),
    ("```python\na\n```\nprints\n```\n3\n```", "python", "a"), ("```\na\n```\n```\nb\n```", "python", "b"),
    ("```python\r\na\r\n```\r\n", "python", "a\r"), ("inline ```a``` code", "python", None), ("", "python", None),
])
def test_the_last_block_that_is_closed_and_says_the_language_is_the_code(text: str, language: str, code: str | None) -> None:
    assert code_in(text, language, "block") == code
    assert code_in(text, language, "whole") == text


def test_nothing_of_the_sandbox_is_imported_by_checking() -> None:
    code = ("import sys, json\nfrom rldsl.cli import main\n"
            "print(json.dumps([name for name in sys.modules if name.startswith('rldsl.rewards.sandbox')]))")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(ended.stdout) == []
