"""Code that takes what it should not have: each such program is stopped, named, and leaves nothing behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rldsl.rewards.run import HostCalls
from tests.sandbox.bench import Bench, descendants

GREEDY = {
    "memory at once": ("x = bytearray(10**11)", {"limit"}),
    "memory bit by bit": ("held = []\nwhile True: held.append(bytearray(10**7))", {"limit"}),
    "a file that is too large": ("with open('f', 'wb') as file:\n    while True: file.write(bytes(1 << 20))", {"limit"}),
    "many files": ("for place in range(10**4):\n    with open(f'f{place}', 'wb') as file: file.write(bytes(1 << 20))",
                   {"limit"}),
    "open files": ("held = [open('f', 'w') for _ in range(10**4)]", {"limit"}),
    "sleep": ("import time\ntime.sleep(1000)", {"timeout"}),
    "the processor": ("while True: pass", {"timeout", "limit"}),
    "the processor, with signals ignored": (
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n    except Exception: pass\n"
        "while True: pass", {"timeout", "limit"}),
    "output without end": ("while True: print('x' * 10**6)", {"limit"}),
    "a gigabyte at once": ("import os\nwhile True: os.write(1, b'x' * (1 << 26))", {"limit"}),
    "a gigabyte of errors": ("import sys\nwhile True: sys.stderr.write('x' * 10**6)", {"limit"}),
    "deep recursion": ("def f(): return f()\nf()", {"exception"}),
    "recursion in C": ("import sys\nsys.setrecursionlimit(10**9)\nclass A: pass\n"
                       "A.__repr__ = lambda self: repr(self)\nrepr(A())", {"crash", "limit", "exception"}),
    "threads without end": ("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(100,)).start()",
                            {"exception", "limit", "timeout"}),
}
FORBIDDEN = {
    "a socket": "import socket\nsocket.socket()",
    "a socket of this machine": "import socket\nsocket.socket(socket.AF_UNIX)",
    "a raw socket": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "a name server": "import socket\nsocket.create_connection(('127.0.0.1', 53))",
    "a mount": "import ctypes\nassert ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, b'') == 0",
    "namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "to trace its parent": "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid() or 1, 0, 0) == 0",
    "io_uring": "import ctypes\nassert ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120)) >= 0",
    "to load a module of the kernel": "import ctypes\nassert ctypes.CDLL(None).syscall(313, 0, b'', 0) == 0",
    "a directory of /proc": "import os\nassert len(os.listdir('/proc')) > 1000",
    "to be root": "import os\nos.setuid(0)\nopen('/etc/shadow').read()",
    "another root": "import os\nos.chroot('/usr')",
}


def _time_for(kinds: set[str]) -> float:
    """Little for what takes all the time that it gets, more than enough for anything else."""
    return 1.0 if "timeout" in kinds else 10.0


@pytest.mark.wide(10)
@pytest.mark.parametrize("name", GREEDY)
def test_what_takes_too_much_is_stopped_and_named(bench: Bench, name: str) -> None:
    code, kinds = GREEDY[name]
    started = time.monotonic()
    found = bench.program(code, ("", ""), timeout=_time_for(kinds), memory=256, disk=8, prints=4)
    assert found.value == 0.0
    assert found.kind in kinds
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", ["memory at once", "sleep", "the processor", "output without end", "a file that is too large"])
def test_the_same_in_a_function_that_tests_call(bench: Bench, name: str) -> None:
    code, kinds = GREEDY[name]
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    found = bench.tests(f"def f():\n{lines}", ["assert f() == 1"], timeout=_time_for(kinds), memory=256, disk=8, prints=4)
    assert found.value == 0.0
    assert found.kind in kinds | {"limit", "timeout"}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_raises_in_the_code(walled: Bench, name: str) -> None:
    found = walled.program(FORBIDDEN[name], ("", ""))
    assert found.value == 0.0
    assert found.kind == "exception"


def test_code_cannot_start_processes_where_it_is_not_said(bench: Bench) -> None:
    found = bench.program("import os\nwhile True: os.fork()", ("", ""), timeout=3.0)
    assert found.value == 0.0
    assert found.kind == "exception"
    assert "PermissionError" in found.said


BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                continue
            os._exit(0)
    except OSError:
        time.sleep(0.01)
"""


def test_a_fork_bomb_is_held_and_gone_at_the_deadline(apart: Bench) -> None:
    assert apart.program("print(1)", ("", "1")).value == 1.0
    before = descendants("box.keeper")
    found = apart.program(BOMB, ("", ""), timeout=1.5, processes=16)
    assert found.value == 0.0
    assert found.kind == "timeout"
    assert descendants("box.keeper") == before
    assert apart.program("print(1)", ("", "1")).value == 1.0


def test_processes_that_leave_their_group_and_parent_do_not_outlive_the_code(apart: Bench) -> None:
    code = ("import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass\n"
            "    os._exit(0)\nprint('done')")
    assert apart.program("print(1)", ("", "1")).value == 1.0
    before = descendants("box.keeper")
    assert apart.program(code, ("", "done"), processes=8, timeout=5.0).value == 1.0
    assert descendants("box.keeper") == before


def test_processes_that_may_be_started_can_be(apart: Bench) -> None:
    code = "import subprocess\nprint(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout.strip())"
    assert apart.program(code, ("", "hi"), processes=8).value == 1.0


def test_code_does_not_kill_its_parent(walled: Bench) -> None:
    code = ("import os\nfor number in (os.getppid(), 1, 2):\n"
            "    try:\n        if number not in (0, os.getpid()): os.kill(number, 9)\n    except OSError: pass\nprint('here')")
    assert walled.program(code, ("", "here")).value == 1.0
    assert walled.program("print('here')", ("", "here")).value == 1.0


@pytest.mark.slow
def test_code_does_not_have_its_parent_signalled_by_the_kernel(near: Bench) -> None:
    code = ("import fcntl, os\nends = os.pipe()\nfcntl.fcntl(ends[0], fcntl.F_SETOWN, os.getppid())")
    assert "PermissionError" in near.program(code, ("", "")).said


def test_code_does_not_write_outside_its_folder(walled: Bench, tmp_path: Path) -> None:
    target = tmp_path / "written"
    target.write_text("before")
    for step in (f"open({str(target)!r}, 'w').write('x')", f"os.unlink({str(target)!r})", f"os.chmod({str(target)!r}, 0)",
                 f"os.truncate({str(target)!r}, 0)", f"os.rename({str(target)!r}, 'x')", f"os.link({str(target)!r}, 'x')",
                 f"os.mkdir({str(tmp_path / 'folder')!r})", f"os.utime({str(target)!r}, (0, 0))",
                 f"os.symlink('x', {str(tmp_path / 'link')!r})"):
        assert walled.program(f"import os\n{step}", ("", "")).kind == "exception", step
    assert target.read_text() == "before"
    assert target.stat().st_mode & 0o777 and target.stat().st_mtime > 10**9
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["written"]


def test_code_does_not_read_what_is_none_of_its_business(walled: Bench, tmp_path: Path) -> None:
    (tmp_path / "tests.jsonl").write_text("expected")
    for path in (tmp_path / "tests.jsonl", tmp_path, Path(__file__), Path("/proc/1/environ"), Path("/etc/hostname")):
        step = "os.listdir" if path.is_dir() else "open"
        assert walled.program(f"import os\n{step}({str(path)!r})", ("", "")).kind == "exception", path


def test_the_environment_holds_no_secret(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RLDSL_SECRET_KEY", "sk-" + "123456789")
    code = ("import os\nfound = ''.join(map(str, os.environ.values()))\n"
            "try: names = os.listdir('/proc')\nexcept OSError: names = []\nfor name in names:\n"
            "    try: found += open(f'/proc/{name}/environ').read()\n    except OSError: pass\n"
            "print('sk-' + '123456789' in found, 'RLDSL' + '_SECRET' in os.environ)")
    assert bench.program(code, ("", "False False")).value == 1.0


def test_each_piece_of_code_has_an_empty_folder_of_its_own_to_write_in(bench: Bench) -> None:
    code = ("import os, tempfile\nassert os.path.samefile(os.getcwd(), os.environ['HOME'])\n"
            "with tempfile.NamedTemporaryFile() as file: assert os.path.samefile(os.path.dirname(file.name), '.')\n"
            "print(sorted(os.listdir('.')))\nopen('left', 'w').write('x')")
    for _ in range(2):
        assert bench.program(code, ("", "['program.py']")).value == 1.0


def test_no_descriptor_of_another_is_open_in_the_code(bench: Bench) -> None:
    code = ("import os\nfound = []\nfor number in range(256):\n    try: os.fstat(number); found.append(number)\n"
            "    except OSError: pass\nprint(found)")
    assert bench.program(code, ("", "[0, 1, 2]")).value == 1.0


def test_nothing_of_a_box_is_left_when_it_is_closed(tmp_path: Path, walled: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(descendants("box.keeper"))
    with HostCalls((), tmp_path, workers=1) as calls:
        assert Bench(calls, walled.level).program("open('x', 'w').write('y')\nprint(1)", ("", "1")).value == 1.0
        assert len(set(descendants("box.keeper")) - before) == 1
        assert [entry.name.startswith("rldsl-") for entry in tmp_path.iterdir()] == [True]
    until = time.monotonic() + 10
    while (set(descendants("box.keeper")) - before or any(tmp_path.iterdir())) and time.monotonic() < until:
        time.sleep(0.05)
    assert set(descendants("box.keeper")) <= before
    assert list(tmp_path.iterdir()) == []


def test_the_keeper_goes_on_after_code_that_was_killed(bench: Bench) -> None:
    assert bench.program("while True: pass", ("", ""), timeout=0.5).kind == "timeout"
    assert bench.program("print(input())", ("a", "a")).value == 1.0
