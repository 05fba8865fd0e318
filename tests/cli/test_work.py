"""`compile`, `test`, `run`, `eval` and `new` from the command line: files, exit codes, refusals. Small models throughout."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from rldsl.starting import examples
from tests.cli.conftest import SPEC, Command


# ------------------------------------------------------------------ compile
def test_kernels_are_written_as_files_that_parse(rldsl: Command, project: Path) -> None:
    found = rldsl("compile", "mine.rl", "--out", "k")
    written = sorted((project / "k").glob("*.py"))
    assert found.status == 0
    assert [f"wrote k/{path.name}" for path in written] == sorted(found.out.splitlines())
    assert {"pg_torch.py", "pg_combine_numba.py"} <= {path.name for path in written}
    for path in written:
        ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.slow
def test_triton_kernels_have_a_certificate_of_their_own(rldsl: Command, project: Path) -> None:
    """Interpreted, where there is no GPU."""
    pytest.importorskip("triton", reason="Triton is not installed")
    found = rldsl("compile", "mine.rl", "--out", "k", "--certify", "--backend", "triton")
    assert found.status == 0 and "pg on triton: agrees with the reference" in found.out
    certificate = json.loads((project / "k" / "pg_triton_certificate.json").read_text(encoding="utf-8"))
    assert certificate["passed"] is True and certificate["backend"] == "triton"


def test_a_back_end_without_kernels_is_not_certified(rldsl: Command, project: Path) -> None:
    found = rldsl("compile", "mine.rl", "--certify", "--backend", "torch")
    assert found.status == 2
    assert found.err == "error: no kernels are certified for `torch`\n fix: `--backend numba` or `--backend triton`\n"


@pytest.mark.slow
def test_a_certificate_lies_beside_the_kernels_and_holds(rldsl: Command, project: Path) -> None:
    found = rldsl("compile", "mine.rl", "--out", "k", "--certify", "--seed", "3")
    assert found.status == 0, found.out + found.err
    certificate = json.loads((project / "k" / "pg_certificate.json").read_text(encoding="utf-8"))
    assert certificate["passed"] is True
    lines = found.out.splitlines()
    title = lines.index("pg on numba: agrees with the reference")
    assert lines[title + 1].split("  ")[-2:] == ["largest difference", "allowed"]
    assert lines[-1] == "wrote k/pg_certificate.json"
    first = certificate["comparisons"][0]
    assert lines[title + 2].split()[-2:] == [f"{first['error']:.1e}", f"{first['tolerance']:.1e}"]
    assert lines[title + 2].endswith(lines[title + 2].split()[-1]) and len(lines[title + 2]) == len(lines[title + 1])


def test_a_spec_without_an_objective_has_no_kernels(rldsl: Command, project: Path) -> None:
    (project / "empty.rl").write_text("let x = 1\n", encoding="utf-8")
    found = rldsl("compile", "empty.rl")
    assert found.status == 1
    assert "has no objective" in found.err
    assert not (project / "kernels").exists()


@pytest.mark.parametrize("command", ["compile", "run", "test"])
def test_a_wrong_spec_goes_nowhere(rldsl: Command, project: Path, command: str) -> None:
    found = rldsl(command, "wrong.rl")
    assert found.status == 1
    assert "RL101" in found.out
    assert not (project / "runs").exists() and not (project / "kernels").exists()


# ------------------------------------------------------------------ test
def test_tests_in_the_language_run_on_the_reference(rldsl: Command, project: Path) -> None:
    found = rldsl("test", "mine.rl", "--backend", "torch")
    assert (found.status, found.out) == (0, "1 test on torch: all hold\n")


def test_a_test_that_fails_shows_both_sides_and_its_place(rldsl: Command, project: Path) -> None:
    (project / "failing.rl").write_text('test "odd" {\n  expect 1 + 1 == 3 within 1e-9\n}\n', encoding="utf-8")
    found = rldsl("test", "failing.rl", "--backend", "torch")
    assert found.status == 1
    assert all(part in found.out for part in ("failing.rl:2", '"odd"', "left", "right", "1 failure"))
    [document] = json.loads(rldsl("test", "failing.rl", "--backend", "torch", "--json").out)
    assert document["passed"] is False and document["failures"][0]["left"] == [2.0]


def test_a_file_without_tests_is_said_to_have_none(rldsl: Command, project: Path) -> None:
    (project / "bare.rl").write_text("let x = 1\n", encoding="utf-8")
    found = rldsl("test", "bare.rl", "--backend", "torch")
    assert (found.status, found.out, found.err) == (0, "no test blocks in bare.rl\n", "")
    both = rldsl("test", "bare.rl", "mine.rl", "--backend", "torch")
    assert (both.status, both.out) == (0, "no test blocks in bare.rl\n1 test on torch: all hold\n")
    assert json.loads(rldsl("test", "bare.rl", "--backend", "torch", "--json").out) == []


@pytest.mark.parametrize("name", ["std.nothing", "nowhere.rl"])
def test_after_a_module_that_does_not_exist_nothing_is_said_to_hold(rldsl: Command, project: Path, name: str) -> None:
    found = rldsl("test", name, "--backend", "torch")
    assert (found.status, found.out) == (1, "")
    assert found.err.startswith("error: there is no ")


@pytest.mark.parametrize("command", [["test", "mine.rl"], ["run", "mine.rl"]], ids=lambda command: command[0])
def test_an_unknown_back_end_is_a_mistake_of_the_command(rldsl: Command, project: Path, command: list[str]) -> None:
    found = rldsl(*command, "--backend", "cuda")
    assert found.status == 2
    assert "cuda" in found.err and "torch" in found.err and "numba" in found.err


# ------------------------------------------------------------------ run and eval
def test_a_dry_run_loads_everything_and_writes_nothing(rldsl: Command, project: Path) -> None:
    found = rldsl("run", "mine.rl", "--dry-run", "--backend", "torch")
    assert found.status == 0, found.err
    assert "nothing was trained" in found.out
    assert not (project / "runs").exists()


def test_a_run_is_a_folder_that_can_be_measured_and_is_not_overwritten(rldsl: Command, project: Path) -> None:
    found = rldsl("run", "mine.rl", "--backend", "torch", "--quiet", "--seed", "2", "--set", "beta=0.25")
    assert found.status == 0, found.err
    run = project / "runs" / "mine-2"
    assert json.loads((run / "parameters.json").read_text(encoding="utf-8"))["parameters"]["beta"] == 0.25
    assert (run / "report.html").exists() and (run / "metrics.jsonl").exists()
    measured = rldsl("eval", "mine.rl", "--run", run, "--json")
    assert measured.status == 0, measured.err
    assert any("success" in name and 0 <= value <= 1 for name, value in json.loads(measured.out).items())
    again = rldsl("run", "mine.rl", "--backend", "torch", "--quiet", "--seed", "2")
    assert again.status != 0
    assert "--resume" in again.err and "--out" in again.err


def test_a_guard_that_stops_a_run_has_a_status_of_its_own(rldsl: Command, project: Path) -> None:
    (project / "guarded.rl").write_text(SPEC + "guard mean(correct) > 2.0 else stop\n", encoding="utf-8")
    found = rldsl("run", "guarded.rl", "--backend", "torch", "--quiet")
    assert found.status == 3, found.out + found.err


def test_an_eval_that_is_not_there_is_named_with_those_that_are(rldsl: Command, project: Path) -> None:
    found = rldsl("eval", "mine.rl", "--run", "nowhere", "--name", "held")
    assert found.status == 2
    assert "`held`" in found.err and "heldout" in found.err
    nowhere = rldsl("eval", "mine.rl", "--run", "nowhere")
    assert nowhere.status == 1
    assert "nowhere holds no checkpoint" in nowhere.err


def test_two_projects_of_one_process_may_name_their_modules_alike(rldsl: Command, project: Path) -> None:
    """One has a folder `tasks`, the other a file `tasks.py`."""
    assert rldsl("new", "demo").status == 0
    (project / "tasks.py").write_text((project / "task.py").read_text(encoding="utf-8"), encoding="utf-8")
    (project / "other.rl").write_text(SPEC.replace('"task:', '"tasks:'), encoding="utf-8")
    for spec in ("demo/demo.rl", "other.rl", "demo/demo.rl"):
        found = rldsl("run", spec, "--dry-run", "--backend", "torch")
        assert found.status == 0, found.err


# ------------------------------------------------------------------ new
@pytest.mark.wide(3)
@pytest.mark.parametrize("like", sorted(examples()))
def test_a_project_from_any_example_checks(rldsl: Command, project: Path, like: str) -> None:
    assert rldsl("new", "demo", "--like", like).status == 0
    assert rldsl("check", "demo/demo.rl").status == 0
    assert list((project / "demo" / "tasks").glob("*.py"))


def test_nothing_is_overwritten(rldsl: Command, project: Path) -> None:
    (project / "demo").mkdir()
    (project / "demo" / "notes.txt").write_text("mine", encoding="utf-8")
    found = rldsl("new", "demo")
    assert found.status == 1
    assert "nothing is overwritten" in found.err
    assert [path.name for path in (project / "demo").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["..", "-x", "a b", "1st", "a.b", ""])
def test_a_name_must_do_for_a_file(rldsl: Command, project: Path, name: str) -> None:
    found = rldsl("new", "--", name)
    assert found.status == 2
    assert "no name for a project" in found.err


def test_an_unknown_example_lists_those_that_are_known(rldsl: Command, project: Path) -> None:
    found = rldsl("new", "demo", "--like", "quickstrat")
    assert found.status == 2
    assert "`quickstart`" in found.err and "did you mean" in found.err
    assert not (project / "demo").exists()


def test_a_folder_that_cannot_be_made_is_said(rldsl: Command, project: Path) -> None:
    (project / "file").write_text("", encoding="utf-8")
    found = rldsl("new", "file/demo")
    assert found.status == 1
    assert "cannot be made" in found.err
