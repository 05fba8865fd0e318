"""Code that tries to pass without being right: each trick that is known, at each level of isolation. All of it is worth 0."""

from __future__ import annotations

import pytest

from tests.sandbox.bench import Bench

SECRET = "s3cr3t-expected-value"
TESTS = [f"assert answer(2) == {SECRET!r}", "assert answer(3) == 9"]

OBJECTS = {
    "an object that equals everything": """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def answer(x): return Any()""",
    "a number that equals everything": """
class Any(int):
    def __eq__(self, other): return True
def answer(x): return Any(1)""",
    "a text that equals everything": """
class Any(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def answer(x): return Any("")""",
    "a list that equals everything": """
class Any(list):
    def __eq__(self, other): return True
def answer(x): return [Any()]""",
    "an object that says it is a text": """
class Any:
    @property
    def __class__(self): return str
    def __eq__(self, other): return True
def answer(x): return Any()""",
    "a class whose class equals everything": """
class Meta(type):
    def __eq__(cls, other): return True
    __hash__ = type.__hash__
class Any(metaclass=Meta): pass
def answer(x): return Any""",
    "an object that says it is numpy's": """
class Any:
    ndim = 0
    def item(self): return Any()
    def __eq__(self, other): return True
Any.__module__ = "numpy"
def answer(x): return Any()""",
}
LOOKING = {
    "reading the frames above": """
import sys
def answer(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, str) and "s3cr" + "3t" in value:
                return value[value.index("s3cr"):][:21]
        frame = frame.f_back""",
    "reading every object of the interpreter": """
import gc
def answer(x):
    word = "s3cr" + "3t"
    for held in gc.get_objects():
        values = held.values() if isinstance(held, dict) else held if isinstance(held, (list, tuple)) else ()
        for value in list(values):
            if isinstance(value, str) and word in value and "def answer" not in value:
                return value[value.index(word):][:21]""",
    "reading the memory of other processes": """
import os
def answer(x):
    word = b"s3cr" + b"3t-expected"
    for name in [str(os.getppid()), "1", *(os.listdir("/proc") if os.path.isdir("/proc") else [])]:
        try:
            with open("/proc/%s/mem" % name, "rb", 0) as memory, open("/proc/%s/maps" % name) as maps:
                for line in maps:
                    low, high = (int(part, 16) for part in line.split()[0].split("-"))
                    if name != str(os.getpid()) and "rw" in line:
                        memory.seek(low)
                        data = memory.read(high - low)
                        if word in data:
                            return data[data.index(word):][:21].decode()
        except (OSError, ValueError, OverflowError):
            pass""",
    "asking its debugger's call for the memory of its parent": """
import ctypes, os
def answer(x):
    if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0:
        return "s3cr" + "3t-expected-value\"""",
}
LEAVING = {
    "ending with status 0 while it is loaded": "import os\nos._exit(0)",
    "ending with status 0 in the function": "import os\ndef answer(x): os._exit(0)",
    "sys.exit while it is loaded": "import sys\nsys.exit(0)",
    "sys.exit in the function": "import sys\ndef answer(x): sys.exit(0)",
    "an exception that no test catches": "def answer(x): raise KeyboardInterrupt",
    "an exception of a class of its own": "class Passed(BaseException): pass\ndef answer(x): raise Passed()",
    "an exception that cannot be printed": """
class Odd(Exception):
    def __str__(self): raise RuntimeError
def answer(x): raise Odd()""",
    "killing itself": "import os\ndef answer(x): os.kill(os.getpid(), 9)",
    "closing every descriptor": "import os\ndef answer(x): os.closerange(0, 64)",
}
FORGING = {
    "writing a verdict to every descriptor": """
import json, os
def answer(x):
    for descriptor in range(64):
        for message in ({"test": True, "name": "x"}, {"done": True}, {"count": 0}, ["value", 1.0], {"gone": ""}):
            try: os.write(descriptor, b"\\n" + json.dumps(message).encode() + b"\\n")
            except OSError: pass""",
    "writing frames of the keeper to every descriptor": """
import os
def answer(x):
    ended = b'{"status": 0, "why": "", "refused": ""}'
    for descriptor in range(64):
        for kind in (b"X", b"H", b"C", b"R"):
            try: os.write(descriptor, kind + len(ended).to_bytes(4, "big") + ended)
            except OSError: pass""",
    "answering before it is asked": """
import json, os
for number in range(50):
    for value in (True, 9, "", None):
        os.write(5, json.dumps({"number": number, "value": value}).encode() + b"\\n")
def answer(x): return 9""",
    "writing files that look like results": """
import os
def answer(x):
    for name in ("result.json", "verdict", "results.xml", "score.txt", "/tmp/verdict", ".pytest_cache"):
        try: open(name, "w").write('{"passed": true, "score": 1.0}')
        except OSError: pass""",
    "printing that all is well": "print('OK'); print('1 passed')\ndef answer(x): print('{\"done\": true}')",
    "calling what it was not given": """
import json, os
def answer(x):
    for asked in ("call", "load", "names"):
        question = {"ask": asked, "number": 1, "to": 0, "arguments": [], "named": {}, "names": ["x"]}
        os.write(5, json.dumps(question).encode() + b"\\n")""",
}
SHADOWING = {
    "builtins of the tests": """
import builtins
for name in ("AssertionError", "isinstance", "len", "abs", "all", "any", "repr", "str", "type"):
    setattr(builtins, name, lambda *a, **k: True)
    globals()[name] = lambda *a, **k: True
def answer(x): return True""",
    "modules that tests use": """
import sys, types
class Fake(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
for name in ("unittest", "pytest", "json", "math", "operator", "ast", "tests", "box.wire", "box.plain"):
    sys.modules[name] = Fake(name)
def answer(x): return True""",
    "what carries its answers": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("box"):
        for word in list(vars(module)):
            if not word.startswith("__"):
                try: setattr(module, word, lambda *a, **k: {"value": True})
                except Exception: pass
def answer(x): return True""",
    "the module that it is": "import sys\nsys.modules['solution'] = sys.modules['__main__']\ndef answer(x): return True",
}


@pytest.mark.wide(16)
@pytest.mark.parametrize("name", [*OBJECTS, *LOOKING, *LEAVING, *FORGING, *SHADOWING])
def test_a_trick_is_worth_nothing(bench: Bench, name: str) -> None:
    code = {**OBJECTS, **LOOKING, **LEAVING, **FORGING, **SHADOWING}[name]
    found = bench.tests(code, TESTS, timeout=4.0)
    assert found.failure is None
    assert found.value == 0.0
    assert found.kind in ("wrong", "exception", "crash", "limit", "timeout")


@pytest.mark.parametrize("name", [*OBJECTS, *FORGING, *SHADOWING])
def test_a_trick_earns_no_share_either(near: Bench, name: str) -> None:
    code = {**OBJECTS, **FORGING, **SHADOWING}[name]
    assert near.tests(code, ["assert answer(2) == 4", "assert answer(3) == 27"], score="share").value == 0.0


def test_right_code_is_right_after_every_trick(bench: Bench) -> None:
    assert bench.tests(f"def answer(x): return {SECRET!r} if x == 2 else x * x", TESTS).value == 1.0


UNITTEST = """
import unittest
class Cases(unittest.TestCase):
    def test_one(self):
        self.assertEqual(answer(2), 4)
    def test_two(self):
        self.assertTrue(isinstance(answer(2), int))
"""


@pytest.mark.parametrize("name", [*OBJECTS, *SHADOWING])
def test_a_trick_does_not_pass_a_test_case(near: Bench, name: str) -> None:
    assert near.tests({**OBJECTS, **SHADOWING}[name], UNITTEST).value == 0.0


@pytest.mark.parametrize("test", [
    "assert abs(answer(2) - 4.0) < 1e-6", "assert round(answer(2) - 4) == 0", "assert 4 in answer(2)", "assert answer(2) >= 4",
    "assert answer(2) == 4 or answer(2) == 5", "assert sorted(answer(2)) == [4]", "assert {4: 1}[answer(2)]",
    "assert answer(2) in (4, 5)",
    "assert answer(2) * 0 == 0", "assert not (answer(2) - 4)", "assert str(answer(2)) == '4'", "assert sum(answer(2)) == 4",
])
def test_an_object_that_answers_everything_passes_no_form_of_test(near: Bench, test: str) -> None:
    code = """
class Any:
    def __getattr__(self, name): return Any()
    def __call__(self, *a, **k): return Any()
    def __bool__(self): return True
    def __str__(self): return "x"
    def __iter__(self): return iter([Any()])
    def __hash__(self): return hash(4)
for name in "eq ne lt le gt ge contains".split():
    setattr(Any, f"__{name}__", lambda *a: True)
for name in "add radd sub rsub mul rmul truediv abs neg round getitem".split():
    setattr(Any, f"__{name}__", lambda *a: Any())
def answer(x): return Any()"""
    assert near.tests(code, [test]).value == 0.0


@pytest.mark.slow
def test_what_an_objects_methods_are_told_is_never_what_is_expected(near: Bench) -> None:
    code = """
seen = []
class Spy:
    def __eq__(self, other): seen.append(repr(other)); return True
    def __getattribute__(self, name):
        seen.append(name)
        return object.__getattribute__(self, name)
def answer(x): return Spy()
def told(): return any("1234567" in word for word in seen)"""
    found = near.tests(code, ["assert answer(2) == 1234567", "assert [answer(2)] == [1234567]", "assert answer(1) in (1234567,)",
                              "assert told() is True"], score="share")
    assert found.value == 0.0
