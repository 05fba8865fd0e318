"""`check`, `fmt` and `explain`: what goes in, what comes out, with which status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SPEC, Command

ROOT = Path(__file__).parents[2]


def test_a_right_spec_is_fine(rldsl: Command, project: Path) -> None:
    found = rldsl("check", "mine.rl")
    assert (found.status, found.out, found.err) == (0, "mine.rl: fine\n", "")


def test_findings_are_printed_with_place_reason_and_cure(rldsl: Command, project: Path) -> None:
    found = rldsl("check", "wrong.rl")
    assert found.status == 1
    assert all(part in found.out for part in ("error[RL101]", "--> wrong.rl:14:", " why: ", " fix: ", "rldsl explain RL101",
                                              "wrong.rl: 1 error, 0 warnings"))


def test_of_several_specs_each_is_checked_and_the_worst_decides(rldsl: Command, project: Path) -> None:
    found = rldsl("check", "wrong.rl", "absent.rl", "mine.rl")
    assert found.status == 1
    assert "RL101" in found.out and "mine.rl: fine" in found.out
    assert "there is no such file" in found.err and "absent.rl" in found.err


@pytest.mark.parametrize(("name", "said"), [("absent.rl", "there is no such file"), (".", "this is a folder, not a spec"),
                                            ("latin.rl", "this file is not UTF-8 text"),
                                            ("std.advantag", "did you mean `std.advantage`?")])
def test_what_cannot_be_read_is_said_in_a_sentence(rldsl: Command, project: Path, name: str, said: str) -> None:
    (project / "latin.rl").write_bytes(b"# caf\xe9\n")
    found = rldsl("check", name)
    assert found.status == 1
    assert said in found.err and " why: " in found.err and " fix: " in found.err
    assert "Traceback" not in found.err


def test_the_standard_input_is_a_spec_of_this_folder(rldsl: Command, project: Path) -> None:
    assert rldsl("check", "-", stdin=SPEC).status == 0
    found = rldsl("check", "-", stdin="let x = (")
    assert found.status == 1
    assert "<stdin>:1:" in found.out


def test_a_library_module_is_checked_by_its_name(rldsl: Command) -> None:
    assert rldsl("check", "std.advantage").status == 0


def test_json_is_one_document_for_all_specs(rldsl: Command, project: Path) -> None:
    found = rldsl("check", "--json", "mine.rl", "wrong.rl", "absent.rl")
    fine, wrong, absent = json.loads(found.out)
    assert found.status == 1
    assert fine == {"file": "mine.rl", "diagnostics": []}
    assert absent["file"] == "absent.rl" and absent["unreadable"]
    [finding] = wrong["diagnostics"]
    assert finding["code"] == "RL101" and finding["severity"] == "error"
    assert (finding["file"], finding["line"]) == ("wrong.rl", 14)
    assert finding["why"] and finding["fix"]


def test_notes_are_shown_on_request(rldsl: Command, project: Path) -> None:
    with_k3 = SPEC.replace("surrogate (clipped)", "surrogate (clipped)\nimport std.divergence (k3)\npolicy ref = frozen(actor)")
    with_k3 = with_k3.replace("0.8 .. 1.28))", "0.8 .. 1.28))\n  minimize kl: 0.01 * mean(k3(actor, ref, y))")
    (project / "kl.rl").write_text(with_k3, encoding="utf-8")
    assert "RL302" not in rldsl("check", "kl.rl").out
    found = rldsl("check", "--pedantic", "kl.rl")
    assert found.status == 0
    assert "note[RL302]" in found.out


# ------------------------------------------------------------------ --set
def test_a_parameter_is_set_from_outside(rldsl: Command, project: Path) -> None:
    assert rldsl("check", "mine.rl", "--set", "beta=0.25", "--set", "rounds=3").status == 0


@pytest.mark.parametrize("form", ["beta", "beta:0.1", "=1", "be ta=1", "1=2", ""])
def test_what_is_no_setting_is_a_mistake_of_the_command(rldsl: Command, project: Path, form: str) -> None:
    found = rldsl("check", "mine.rl", "--set", form)
    assert found.status == 2
    assert "should look like `beta=0.01`" in found.err


@pytest.mark.parametrize(("form", "said"), [("gamma=1", "there is no parameter `gamma`"), ("beta=2", "must be in [0, 1]"),
                                            ("rounds=1.5", "whole number"), ("beta=abc", "`beta`"),
                                            ("beta=", "`--set beta`"), ("beta=nan", "`beta`"),
                                            ("rounds=1e400", "`--set rounds`"), ("beta=1; x", "`--set beta`")])
def test_a_setting_that_does_not_fit_is_a_finding(rldsl: Command, project: Path, form: str, said: str) -> None:
    found = rldsl("check", "mine.rl", "--set", form)
    assert found.status == 1
    assert "error[RL019]" in found.out and said in found.out


@pytest.mark.parametrize(("given", "declaration"), [
    ("3", "Int = 3"), ("-2.5", "Real = -2.5"), ("1e-3", "Real = 1e-3"), ("true", "Bool = true"), ("soft", "Real = …"),
    ("9" * 40, "Real = …")])
def test_a_parameter_that_is_not_declared_is_shown_as_it_would_be(rldsl: Command, project: Path, given: str,
                                                                  declaration: str) -> None:
    said = " ".join(rldsl("check", "mine.rl", "--set", f"gamma={given}").out.split())
    assert f"declare it, `param gamma: {declaration}`, and write `gamma` where its value belongs" in said
    assert "`--set` sets what a spec declares as `param`: here `beta`" in said


# ------------------------------------------------------------------ fmt
def test_a_spec_is_formatted_in_place_once(rldsl: Command, project: Path) -> None:
    (project / "loose.rl").write_text("let   x=1\n", encoding="utf-8")
    would = rldsl("fmt", "--check", "loose.rl")
    assert (would.status, would.out) == (1, "loose.rl: would change\n")
    assert (project / "loose.rl").read_text(encoding="utf-8") == "let   x=1\n"
    assert rldsl("fmt", "loose.rl").status == 0
    assert (project / "loose.rl").read_text(encoding="utf-8") == "let x = 1\n"
    again = rldsl("fmt", "--check", "loose.rl")
    assert (again.status, again.out) == (0, "")


def test_the_standard_input_is_formatted_to_the_output(rldsl: Command) -> None:
    found = rldsl("fmt", "-", stdin="let   x=1")
    assert (found.status, found.out) == (0, "let x = 1\n")
    assert rldsl("fmt", "--check", "-", stdin="let   x=1").status == 1
    assert rldsl("fmt", "--check", "-", stdin="let x = 1\n").status == 0


def test_what_does_not_parse_is_left_as_it_is(rldsl: Command, project: Path) -> None:
    (project / "broken.rl").write_text("let x = (\n", encoding="utf-8")
    found = rldsl("fmt", "broken.rl")
    assert found.status == 1
    assert "error[RL0" in found.out
    assert (project / "broken.rl").read_text(encoding="utf-8") == "let x = (\n"


# ------------------------------------------------------------------ explain
@pytest.mark.parametrize("code", ["RL301", "rl301"])
def test_a_finding_is_explained_by_its_code(rldsl: Command, code: str) -> None:
    found = rldsl("explain", code)
    assert found.status == 0
    assert found.out.startswith("RL301 k1-as-loss")
    assert all(heading in found.out for heading in ("What:", "Why:", "Example:", "Instead:", "When this is wrong:"))


def test_an_unknown_code_is_a_mistake_of_the_command(rldsl: Command) -> None:
    found = rldsl("explain", "RL999")
    assert found.status == 2
    assert "there is no finding RL999" in found.err


def test_a_spec_is_explained_in_every_form(rldsl: Command, project: Path) -> None:
    said = rldsl("explain", "mine.rl").out
    assert "coupling level: token" in said
    assert "computed once for each update, over its whole batch:" in said
    assert rldsl("explain", "mine.rl", "--latex").out.startswith("\\begin{align*}")
    assert rldsl("explain", "mine.rl", "--dot").out.startswith("digraph")
    assert rldsl("explain", "mine.rl", "--svg").out.startswith("<svg")
    assert "Real in [0, 1]" in rldsl("explain", "mine.rl", "--graph").out
    document = json.loads(rldsl("explain", "mine.rl", "--json").out)
    assert document


def test_a_module_is_explained_by_what_it_offers(rldsl: Command, project: Path) -> None:
    found = rldsl("explain", "std.surrogate")
    assert found.status == 0
    assert "Surrogates: what a policy-gradient step maximises" in found.out
    assert ("fn clipped(ratio: Real, advantage: Real, bounds: Bounds) -> Real\n"
            "  The pessimistic clipped surrogate `min(r A, clip(r, low, high) A)`;") in found.out
    assert "expect" not in found.out and "Schulman" not in found.out
    (project / "own.rl").write_text("## Mine.\n\n## Two of it. As always.\nfn twice(x: Real) -> Real = {\n  let y = 2 * x\n  y\n}\n"
                                    'extern fn rated(\n  text: Text,\n  other: Text\n) -> Real in [0, 1] = python("m:f")\n',
                                    encoding="utf-8")
    shown = rldsl("explain", "own.rl").out
    assert shown.partition("\n\n")[2] == ("Mine.\n\nfn twice(x: Real) -> Real\n  Two of it.\n\n"
                                         "extern fn rated(text: Text, other: Text) -> Real in [0, 1]\n")


def test_a_wrong_spec_is_not_explained_but_its_findings_are(rldsl: Command, project: Path) -> None:
    found = rldsl("explain", "wrong.rl")
    assert found.status == 1
    assert "RL101" in found.out


# ------------------------------------------------------------------ terminals and pipes
def test_colours_are_for_terminals_that_want_them(project: Path) -> None:
    pty = pytest.importorskip("pty")

    def on_a_terminal(**environment: str) -> str:
        ours, theirs = pty.openpty()
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        try:
            subprocess.run([sys.executable, "-m", "rldsl", "check", "wrong.rl"], stdout=theirs, timeout=60, check=False,
                           env={**inherited, "PYTHONPATH": str(ROOT), **environment})
            os.set_blocking(ours, False)  # nothing printed is a failure, not a wait
            return str(os.read(ours, 1 << 16), "utf-8")
        finally:
            os.close(ours)
            os.close(theirs)

    assert "\x1b[" in on_a_terminal()
    assert "\x1b[" not in on_a_terminal(NO_COLOR="1")


@pytest.mark.wide(1)
@pytest.mark.parametrize("command", [["check", "wrong.rl"], ["explain", "mine.rl"], ["check", "--help"], ["fmt", "-"]],
                         ids=lambda command: command[0] + command[-1])
def test_a_reader_that_leaves_is_no_crash_and_no_success(project: Path, command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = subprocess.run([sys.executable, "-m", "rldsl", *command], stdout=writing, stderr=subprocess.PIPE, text=True,
                               input="let x = 1", timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (1, "")
