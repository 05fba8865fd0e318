"""`verify.program` and `verify.sql`: outputs and rows, how they are compared, and commands of other languages."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.sandbox.programs import same_output
from tests.sandbox.bench import Bench, Verdict, fenced

DOUBLE = "print(int(input()) * 2)"


def test_a_program_is_worth_the_share_of_its_cases(bench: Bench) -> None:
    cases = [("2", "4"), ("3", "7"), ("x", "0"), ("5\n", "10\n")]
    assert bench.program(DOUBLE, *cases, score="share").value == 0.5
    found = bench.program(DOUBLE, *cases)
    assert found.value == 0.0
    assert found.evidence == {"passed": 1, "tests": 4, "kind": "wrong", "failed": [
        {"test": 1, "input": "3", "kind": "wrong", "said": "printed '6', not '7'"}]}


def test_one_case_may_stand_in_two_columns(near: Bench) -> None:
    given = {"text": fenced(DOUBLE), "input": "4", "output": "8"}
    assert Verdict.of(near.run("verify.program", given)).value == 1.0


@pytest.mark.parametrize(("found", "expected", "tolerance", "same"), [
    ("4\n", "4", 0, True), ("4 \n\n", "4", 0, True), (" 4", "4", 0, False), ("4\n5", "4 5", 0, False), ("4", "4.0", 0, False),
    ("4.00001", "4", 1e-3, True), ("4.1", "4", 1e-3, False), ("a 1.0001 b", "a 1 b", 1e-3, True), ("nan", "nan", 1, True),
    ("nan", "1", 1, False), ("inf", "1", 1, False), ("1 2", "1", 1, False), ("1\n2", "1", 1, False), ("", "", 0, True),
    ("", "0", 9, False),
])
def test_outputs_are_compared_line_by_line(found: str, expected: str, tolerance: float, same: bool) -> None:
    assert same_output(found, expected, tolerance) is same


def test_a_status_other_than_0_is_wrong_whatever_was_printed(near: Bench) -> None:
    found = near.program("import sys\nprint(4)\nsys.exit(3)", ("", "4"))
    assert found.value == 0.0
    assert found.said == "ended its process (exit status 3)"
    assert near.program("import sys\nprint(4)\nsys.exit(0)", ("", "4")).value == 1.0
    assert "ValueError: invalid literal" in near.program(DOUBLE, ("x", "4")).said


def test_a_program_is_a_main_module_with_threads_and_its_own_input(near: Bench) -> None:
    code = ("import sys, threading\ndef work(): print(sum(map(int, sys.stdin.read().split())))\n"
            "if __name__ == '__main__':\n    threading.Thread(target=work).start()")
    assert near.program(code, ("1 2 3", "6")).value == 1.0


def test_large_input_and_output_pass(bench: Bench) -> None:
    text = "x" * 3_000_000
    assert bench.program("print(input()[::-1])", (text, text), prints=4).value == 1.0
    assert bench.program("print(input()[:3])", (text, "xxx")).value == 1.0
    assert bench.program("print('no')", (text, "no")).value == 1.0


def test_a_command_may_run_another_language(apart: Bench) -> None:
    if shutil.which("sh") is None:
        pytest.skip("there is no `sh` here")
    given = {"text": fenced("read x\necho $((x * 2))", "sh"), "cases": [{"input": "4\n", "output": "8"}]}
    more: dict[str, Any] = {"language": "bash", "command": "sh {file}", "file": "program.sh", "processes": 4}
    assert Verdict.of(apart.run("verify.program", given, **more)).value == 1.0
    wrong = Verdict.of(apart.run("verify.program", given, **{**more, "command": "no-such-command {file}"}))
    assert wrong.value is None or wrong.value == 0.0


@pytest.mark.parametrize("cases", [[], {}, [{"input": "1"}], [{"input": 1, "output": "2"}], "text", [["1", "2"]]])
def test_cases_of_another_form_have_failed(near: Bench, cases: object) -> None:
    outcome = near.run("verify.program", {"text": fenced(DOUBLE), "cases": cases})
    assert outcome.failed[0].kind is FailureKind.REFERENCE


def test_cases_may_be_two_lists(near: Bench) -> None:
    given = {"text": fenced(DOUBLE), "cases": {"inputs": ["1", "2"], "outputs": ["2", "4"]}}
    assert Verdict.of(near.run("verify.program", given)).value == 1.0


# ------------------------------------------------------------------ queries
SETUP = "create table t(a integer, b text); insert into t values (2, 'y'), (1, 'x'), (3, null);"


@pytest.mark.parametrize(("query", "expected", "settings", "value"), [
    ("select a from t", [[1], [2], [3]], {}, 1), ("select a from t order by a", [[1], [2], [3]], {"ordered": True}, 1),
    ("select a from t order by a desc", [[1], [2], [3]], {"ordered": True}, 0),
    ("select a from t limit 2", [[1], [2], [3]], {}, 0), ("select a from t union all select 1", [[1], [2], [3]], {}, 0),
    ("select b from t", [[None], ["x"], ["y"]], {}, 1),
    ("select avg(a) from t where a < 3", [[1.5000001]], {"tolerance": 1e-3}, 1), ("select 1.0", [[1]], {}, 1),
    ("select '1'", [[1]], {}, 0),
    ("select x'00ff'", [["00ff"]], {}, 1), ("select a, b from t where a = 1", [["x", 1]], {}, 0),
    ("select a from t;", [[1], [2], [3]], {}, 1),
    ("select a from t", "select a from t order by a", {}, 1), ("select a + 1 from t", "select a from t", {}, 0),
    ("with recursive c(n) as (select 1 union all select n + 1 from c where n < 3) select n from c", [[1], [2], [3]], {}, 1),
])
def test_rows_are_compared_as_a_bag_or_in_order(near: Bench, query: str, expected: Any, settings: dict[str, Any],
                                                value: float) -> None:
    assert near.sql(query, SETUP, expected, **settings).value == value


@pytest.mark.parametrize("query", [
    "delete from t", "insert into t values (9, 'z')", "drop table t", "create table u(a)", "attach 'other.db' as o",
    "pragma user_version = 3", "update t set a = 1", "select load_extension('x')", "vacuum into 'copy.db'", "selec a", "",
    "select 1; select 2", "begin", "detach main", "select writefile('x', 'y')", "select readfile('/etc/passwd')",
    "select * from pragma_database_list", "select '\0'", "explain select 1",
])
def test_a_query_that_does_more_than_read_is_wrong(near: Bench, query: str) -> None:
    found = near.sql(query, SETUP, [[1]])
    assert found.value == 0.0
    assert found.kind in ("exception", "wrong")


def test_a_query_without_end_is_stopped(bench: Bench) -> None:
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select "
    assert bench.sql(endless + "count(*) from c", SETUP, [[1]], timeout=1.0).kind == "timeout"
    assert bench.sql(endless + "n from c", SETUP, [[1]], timeout=5.0, memory=256).said.startswith("it gives more than 100,000 rows")
    assert bench.sql("select hex(zeroblob(900000000))", SETUP, [[1]], memory=256).kind in ("exception", "limit")


def test_a_database_or_an_expected_query_that_is_broken_has_failed(near: Bench) -> None:
    for setup, expected in (("create tabl t(a)", [[1]]), (SETUP, "select nothing from t"), (SETUP, [1, 2]), (SETUP, {"a": 1})):
        failure = near.sql("select a from t", setup, expected).failure
        assert failure is not None
        assert failure.kind is FailureKind.REFERENCE
