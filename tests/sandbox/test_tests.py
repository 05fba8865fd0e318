"""`verify.tests`: the forms of tests, what passes between them and the code, and what is wrong as against failed."""

from __future__ import annotations

import pytest

from rldsl.rewards.outcome import FailureKind
from tests.sandbox.bench import Bench, fenced

ADD = "def add(a, b): return a + b"
CHECK = """
METADATA = {"author": "x"}
def check(candidate):
    assert candidate(1, 2) == 3
    assert candidate(-1, 1) == 0, "zero"
"""
FUNCTIONS = """
import math
def helper(x): return x + 1
def test_sum():
    assert add(1, 2) == helper(2)
def test_float():
    assert math.isclose(add(0.1, 0.2), 0.3)
def test_wrong():
    assert add(1, 1) == 3
"""
CASES = """
import unittest
class Adds(unittest.TestCase):
    def setUp(self): self.one = 1
    def test_sum(self): self.assertEqual(add(self.one, 2), 3)
    def test_text(self): self.assertEqual(add("a", "b"), "ab")
    def test_raises(self):
        with self.assertRaises(TypeError): add(1, "b")
    def test_wrong(self): self.assertEqual(add(1, 1), 3)
"""


def test_a_list_of_asserts_is_as_many_tests(near: Bench) -> None:
    tests = ["assert add(1, 2) == 3", "assert add(1, 1) == 3", "assert add(0, 0) == 0", "x = add(2, 2)\nassert x == 4"]
    assert near.tests(ADD, tests, score="share").value == 0.75
    found = near.tests(ADD, tests)
    assert found.value == 0.0
    assert found.evidence["passed"] == 1
    assert found.evidence["tests"] == 4
    assert found.evidence["failed"] == [{"test": "assert add(1, 1) == 3", "kind": "wrong", "said": "2 is not 3"}]


def test_top_level_asserts_of_a_text_are_tests_in_order(near: Bench) -> None:
    text = "first = add(1, 2)\nassert first == 3\nsecond = add(first, 1)\nassert second == 4\nassert second == 5, 'not five'"
    found = near.tests(ADD, text, score="share")
    assert found.value == pytest.approx(2 / 3)
    assert found.said == "not five: 4 is not 5"


def test_a_checking_function_is_told_what_it_checks(near: Bench) -> None:
    assert near.tests(ADD, CHECK, entry="add").value == 1.0
    found = near.tests("def add(a, b): return abs(a) + b", CHECK, entry="add")
    assert found.value == 0.0
    assert found.said == "zero: 2 is not 0"
    assert near.tests("def plus(a, b): return a + b", CHECK, entry="add").said == "the code has no `add`"


def test_functions_and_cases_are_tests_each(near: Bench) -> None:
    assert near.tests(ADD, FUNCTIONS, score="share").value == pytest.approx(2 / 3)
    found = near.tests(ADD, CASES, score="share")
    assert found.value == 0.75
    assert found.evidence["failed"][0]["test"] == "Adds.test_wrong"
    assert "2 != 3" in found.said


def test_tests_may_import_the_code(near: Bench) -> None:
    assert near.tests(ADD, "from solution import add as plus\nassert plus(1, 2) == 3").value == 1.0
    assert near.tests(ADD, "import solution\nassert solution.add(1, 2) == 3").value == 1.0
    assert near.tests(ADD, "from solution import nothing\nassert nothing() == 3").value == 0.0


@pytest.mark.parametrize("value", [
    "None", "True", "0", "-1", "10**40", "-(10**40)", "1.5", "float('inf')", "1e300", "'text'", "'\\ud83d'", "'\\0'",
    "b'\\x00\\xff'",
    "bytearray(b'ab')", "[1, [2, (3,)]]", "(1, 'a')", "{1, 2}", "frozenset([1])", "{'a': [1], 2: (3,), (4, 5): None}",
    "range(1, 9, 2)",
    "1 + 2j", "[]", "{}", "set()", "()",
])
def test_plain_data_crosses_both_ways_as_it_is(near: Bench, value: str) -> None:
    tests = [f"assert same({value}) == {value}", f"assert type(same({value})) is type({value})",
             f"assert kind({value}) == type({value}).__name__"]
    assert near.tests("def same(x): return x\ndef kind(x): return type(x).__name__", tests).value == 1.0


@pytest.mark.parametrize(("made", "equal"), [
    ("collections.Counter('aab')", "{'a': 2, 'b': 1}"), ("collections.OrderedDict(a=1)", "{'a': 1}"),
    ("collections.defaultdict(int, a=1)", "{'a': 1}"),
    ("collections.deque([1, 2])", "collections.deque([1, 2])"),
    ("fractions.Fraction(1, 3)", "fractions.Fraction(2, 6)"), ("decimal.Decimal('0.10')", "decimal.Decimal('0.1')"),
    ("datetime.date(2024, 2, 29)", "datetime.date(2024, 2, 29)"), ("datetime.timedelta(1, 2, 3)", "datetime.timedelta(1, 2, 3)"),
    ("datetime.datetime(2024, 1, 1, 12, 30)", "datetime.datetime(2024, 1, 1, 12, 30)"),
    ("datetime.time(1, 2)", "datetime.time(1, 2)"),
])
def test_the_librarys_containers_and_numbers_are_made_again(near: Bench, made: str, equal: str) -> None:
    modules = "import collections, datetime, decimal, fractions\n"
    assert near.tests(f"{modules}def f(): return {made}", f"{modules}assert f() == {equal}").value == 1.0
    assert near.tests(f"{modules}def f(): return {made}", f"{modules}assert f() != {equal}").value == 0.0


def test_numpys_numbers_are_numbers_and_its_arrays_can_be_compared_closely(near: Bench) -> None:
    pytest.importorskip("numpy")
    code = "import numpy\ndef f(): return numpy.float64(0.5)\ndef g(): return numpy.array([1.0, 2.0])"
    assert near.tests(code, ["assert f() == 0.5", "assert g()[1] == 2.0", "assert len(g()) == 2"], timeout=20.0).value == 1.0


def test_what_a_call_changes_in_place_is_changed(near: Bench) -> None:
    code = "def f(a, b, c): a.sort(); b['x'] = [1]; c.add(7)"
    tests = "a, b, c = [3, 1], {}, {5}\nassert f(a, b, c) is None\nassert a == [1, 3] and b == {'x': [1]} and c == {5, 7}"
    assert near.tests(code, tests).value == 1.0


def test_functions_are_handed_over_and_called_across(near: Bench) -> None:
    code = ("def twice(f, x): return f(f(x))\ndef by(k): return lambda x: x * k\n"
            "def raising(f):\n    try: f()\n    except ValueError as e: return str(e)")
    tests = ["assert twice(lambda x: x + 1, 3) == 5", "assert by(3)(4) == 12", "assert twice(by(2), 5) == 20",
             "def fail(): raise ValueError('no')\nassert raising(fail) == 'no'", "assert twice(str, 1) == '1'"]
    assert near.tests(code, tests).value == 1.0


POINT = """
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    def __len__(self): return 2
    def __iter__(self): return iter([self.x, self.y])
    def __getitem__(self, i): return [self.x, self.y][i]
    def __str__(self): return f"({self.x}, {self.y})"
    def __enter__(self): return self
    def __exit__(self, *how): self.x = 0
    def norm(self): return (self.x ** 2 + self.y ** 2) ** 0.5
"""


def test_objects_of_the_code_are_used_where_they_are(near: Bench) -> None:
    tests = ["p = Point(3, 4)\nassert p.norm() == 5.0", "p = Point(3, 4)\nassert (p.x, p.y) == (3, 4)",
             "assert str(Point(1, 2)) == '(1, 2)'", "assert (Point(1, 2) + Point(1, 1)).y == 3",
             "assert list(Point(1, 2)) == [1, 2] and len(Point(1, 2)) == 2 and Point(1, 2)[1] == 2",
             "p = Point(1, 2)\np.x = 7\nassert p.x == 7", "assert isinstance(Point(1, 2), Point)", "assert 2 in Point(1, 2)",
             "with Point(1, 2) as p: pass\nassert p.x == 0", "p = Point(1, 2)\nassert p == p and p != Point(1, 2)"]
    found = near.tests(POINT, tests)
    assert found.evidence == {"passed": 10, "tests": 10}


def test_exceptions_cross_by_their_builtin_class(near: Bench) -> None:
    code = "class Mine(KeyError): pass\ndef f(x):\n    if x: raise ValueError('bad')\n    raise Mine('k')"
    tests = ["try: f(1)\nexcept ValueError as e: said = str(e)\nassert said == 'bad'",
             "try: f(0)\nexcept KeyError: said = 'key'\nassert said == 'key'"]
    assert near.tests(code, tests).value == 1.0


def test_names_of_builtins_and_of_the_standard_library_are_the_tests_own(near: Bench) -> None:
    code = "import math\nmath.isclose = lambda *a, **k: True\ndef abs(x): return 0\ndef sum(x): return 7\ndef f(): return 1.0"
    assert near.tests(code, ["assert abs(f() - 3) < 1"]).value == 0.0
    assert near.tests(code, ["assert math.isclose(f(), 3)"]).value == 0.0
    assert near.tests(code, ["assert math.isclose(f(), 1)"]).value == 1.0
    assert near.tests(code, "def check(candidate):\n    assert candidate([1]) == 7", entry="sum").value == 1.0


# ------------------------------------------------------------------ wrong, or failed
@pytest.mark.parametrize(("code", "kind", "said"), [
    ("def add(a, b): return a - b", "wrong", "-1 is not 3"),
    ("def plus(a, b): return a + b", "exception", "name 'add' is not defined"),
    ("def add(a, b) return", "exception", "SyntaxError"), ("raise RuntimeError('on load')", "exception", "on load"),
    ("def add(a, b): return 1 / 0", "exception", "ZeroDivisionError"), ("import os\nos._exit(0)", "crash", "exit status 0"),
    ("import os\nos.abort()", "crash", "signal 6"), ("def add(a, b): return [0] * 10**8", "limit", ""),
    ("def add(a, b):\n    x = []\n    x.append(x)\n    return x", "exception", "nested"),
    ("def add(a, b): return add", "wrong", ""), ("while True: pass", "timeout", "within 1 s"),
    ("import time\ntime.sleep(9)", "timeout", "within 1 s"), ("input()", "exception", "EOF"),
    ("def add(a, b):\n    while True: yield 1", "wrong", ""),
])
def test_what_is_the_codes_fault_is_wrong_and_says_why(near: Bench, code: str, kind: str, said: str) -> None:
    found = near.tests(code, ["assert add(1, 2) == 3"], timeout=1.0)
    assert found.value == 0.0
    assert said in found.said
    assert found.kind == kind or (kind == "limit" and found.kind in ("limit", "timeout", "exception"))


@pytest.mark.parametrize(("tests", "said"), [
    ("assert add(1, 2", "cannot be read"), ("x = 1", "no test"), ("", "at least one"), ([], "at least one"),
    (["assert 1 == 2"], "does not need the code"), ([""], "at least one"), (["class A: pass\nassert add(A(), 1)"], "class A"),
    ("def check(candidate):\n    assert candidate(1, 2) == 3", "`entry:`"),
])
def test_tests_that_are_broken_have_failed(near: Bench, tests: str | list[str], said: str) -> None:
    failure = near.tests(ADD, tests).failure
    assert failure is not None
    assert failure.kind is FailureKind.REFERENCE
    assert said in failure.message


@pytest.mark.parametrize("tests", [[1, 2], {"a": 1}, [["assert 1"]]])
def test_tests_of_another_form_have_failed(near: Bench, tests: object) -> None:
    outcome = near.run("verify.tests", {"text": fenced(ADD), "tests": tests})
    assert outcome.failed[0].kind is FailureKind.REFERENCE


def test_tests_that_hang_before_they_ask_the_code_have_failed(near: Bench) -> None:
    failure = near.tests(ADD, ["import time\ntime.sleep(20)\nassert add(1, 2) == 3"], timeout=1.0).failure
    assert failure is not None
    assert failure.kind is FailureKind.TIMEOUT
    assert "asked the code for nothing within 1 s" in failure.message


def test_what_hangs_on_what_the_code_gave_is_the_codes_fault(near: Bench) -> None:
    code = "import itertools\ndef f(): return itertools.count()"
    assert near.tests(code, ["assert list(f()) == [1]"], timeout=1.0, memory=256).kind in ("timeout", "limit")
    assert near.tests(code, ["assert sum(1 for _ in f()) == 3"], timeout=1.0).kind == "timeout"


def test_what_the_code_printed_stands_beside_what_is_wrong(near: Bench) -> None:
    found = near.tests("def add(a, b):\n    print('adding', a, b, flush=True)\n    return 0", ["assert add(1, 2) == 3"])
    assert found.evidence["printed"] == "adding 1 2\n"


def test_what_code_says_can_be_written_into_any_file(near: Bench) -> None:
    found = near.tests("def add(a, b): raise ValueError('half \\ud83d')", ["assert add(1, 2) == 3"])
    assert found.said == "ValueError: half \\ud83d"
    found.said.encode()


def test_a_text_without_code_is_wrong(near: Bench) -> None:
    outcome = near.run("verify.tests", {"text": "I do not know.", "tests": ["assert add(1, 2) == 3"]})
    assert outcome.values[0] == 0.0
    assert outcome.evidence[0] == {"kind": "no code", "said": "there is no fenced block of python in the text"}


def test_each_item_begins_anew(near: Bench) -> None:
    code = "import math\ncount = 0\ndef add(a, b):\n    global count\n    count += 1\n    math.tau = 0\n    return count"
    for _ in range(2):
        assert near.tests(code, ["assert add(1, 2) == 1", "assert add(1, 2) == 2"]).value == 1.0
    assert near.tests("import math\ndef f(): return math.tau > 6", ["assert f() is True"]).value == 1.0


def test_a_level_that_cannot_be_had_is_a_failure_at_set_up(near: Bench) -> None:
    for level in ("container: no-such-command-anywhere", "container: false", "container: true", "container: 'unclosed", "nonsense"):
        outcome = Bench(near.calls, level).run("verify.tests", {"text": fenced(ADD), "tests": ["assert add(1, 2) == 3"]})
        assert outcome.failed[0].kind is FailureKind.SETUP, level
        assert level in outcome.failed[0].message


def test_limits_under_which_nothing_runs_are_a_failure_at_set_up(near: Bench) -> None:
    outcome = near.run("verify.tests", {"text": fenced(ADD), "tests": ["assert add(1, 2) == 3"]}, memory=1)
    assert outcome.failed[0].kind is FailureKind.SETUP
    assert "a program that does nothing does not run under these limits" in outcome.failed[0].message
