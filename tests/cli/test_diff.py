"""`diff`: what it prints, with which status, and what it does with specs that are wrong. `explain` names what is used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rldsl as package
from rldsl.canonical.definitions import definition_of
from rldsl.loading import library_only, library_source
from rldsl.resolve.modules import ModuleTable
from rldsl.source import Source
from rldsl.syntax import tree
from tests.cli.conftest import SPEC, Command

ROOT = Path(__file__).parents[2]
PAIRS = ROOT / "tests" / "difference" / "pairs"


@pytest.fixture
def other(project: Path) -> str:
    """A spec that differs from `mine.rl` in its clip and in its learning rate."""
    (project / "other.rl").write_text(SPEC.replace("0.8 .. 1.28", "0.8 .. 1.2").replace("lr: 1e-3", "lr: 1e-4"), encoding="utf-8")
    return "other.rl"


# ------------------------------------------------------------------ status
def test_the_same_mathematics_is_fine(rldsl: Command, project: Path) -> None:
    (project / "renamed.rl").write_text(re.sub(r"\by\b", "answers", SPEC.replace("advantage", "better")), encoding="utf-8")
    found = rldsl("diff", "mine.rl", "renamed.rl")
    assert (found.status, found.out, found.err) == (0, "mine.rl → renamed.rl: the same mathematics\n", "")


def test_settings_alone_are_said_and_are_fine(rldsl: Command, project: Path) -> None:
    (project / "other.rl").write_text(SPEC.replace("lr: 1e-3", "lr: 1e-4"), encoding="utf-8")
    found = rldsl("diff", "mine.rl", "other.rl")
    assert found.status == 0
    assert found.out.startswith("mine.rl → other.rl: the same mathematics\n")
    assert "  update actor with pg\n    optimizer lr 0.001 → 0.0001\n" in found.out


def test_other_mathematics_has_a_status_of_its_own(rldsl: Command, project: Path, other: str) -> None:
    found = rldsl("diff", "mine.rl", other)
    assert found.status == 1
    assert found.out.startswith("mine.rl → other.rl: other mathematics\n")
    assert "clip 0.8 .. 1.28 → 0.8 .. 1.2\n" in found.out
    assert found.out.index("clip") < found.out.index("Settings") < found.out.index("optimizer lr")


def test_a_parameter_set_from_outside_is_set_in_both(rldsl: Command, project: Path) -> None:
    (project / "other.rl").write_text(SPEC.replace("Real in [0, 1] = 0.5", "Real in [0, 1] = 0.25"), encoding="utf-8")
    found = rldsl("diff", "mine.rl", "other.rl")
    assert found.status == 1 and "weight 0.5 → 0.25" in found.out
    assert rldsl("diff", "mine.rl", "other.rl", "--set", "beta=0.1").status == 0


def test_a_file_and_the_standard_input_are_compared(rldsl: Command, project: Path) -> None:
    assert rldsl("diff", "mine.rl", "-", stdin=SPEC).status == 0
    assert rldsl("diff", "-", "mine.rl", stdin=SPEC.replace("1.28", "1.2")).status == 1


# ------------------------------------------------------------------ what is at fault
@pytest.mark.parametrize("order", [("mine.rl", "broken.rl"), ("broken.rl", "mine.rl")], ids=["after", "before"])
def test_a_spec_that_does_not_parse_is_shown_with_its_findings(rldsl: Command, project: Path, order: tuple[str, str]) -> None:
    (project / "broken.rl").write_text(SPEC.replace("{ samples: 8", "{ samples 8"), encoding="utf-8")
    found = rldsl("diff", *order)
    assert found.status == 2
    assert "error[RL0" in found.out and "--> broken.rl:9:" in found.out and " fix: " in found.out
    assert "mathematics" not in found.out and "mine.rl: fine" not in found.out


def test_a_spec_that_does_not_check_is_shown_with_its_findings(rldsl: Command, project: Path) -> None:
    found = rldsl("diff", "wrong.rl", "mine.rl")
    assert found.status == 2
    assert "error[RL101]" in found.out


def test_of_two_wrong_specs_both_are_shown(rldsl: Command, project: Path) -> None:
    (project / "broken.rl").write_text("let x = (\n", encoding="utf-8")
    found = rldsl("diff", "broken.rl", "wrong.rl")
    assert found.status == 2
    assert "broken.rl: 1 error" in found.out and "wrong.rl: 1 error" in found.out


def test_a_file_that_is_not_there_is_said(rldsl: Command, project: Path) -> None:
    found = rldsl("diff", "mine.rl", "absent.rl")
    assert found.status == 2
    assert "there is no such file" in found.err and " fix: " in found.err


@pytest.mark.parametrize("arguments", [(), ("mine.rl",), ("mine.rl", "mine.rl", "mine.rl"), ("mine.rl", "mine.rl", "--nonsense")])
def test_another_number_of_specs_is_a_mistake_of_the_command(rldsl: Command, project: Path, arguments: tuple[str, ...]) -> None:
    assert rldsl("diff", *arguments).status == 2


def test_the_standard_input_is_read_once(rldsl: Command, project: Path) -> None:
    found = rldsl("diff", "-", "-", stdin=SPEC)
    assert found.status == 2
    assert "it can be read once" in found.err


# ------------------------------------------------------------------ plain data
def test_json_says_all_of_it(rldsl: Command, project: Path, other: str) -> None:
    found = rldsl("diff", "mine.rl", other, "--json")
    document = json.loads(found.out)
    assert found.status == 1
    assert (document["before"], document["after"], document["same_mathematics"]) == ("mine.rl", "other.rl", False)
    [objective] = document["objectives"]
    [part] = objective["parts"]
    assert (objective["name"], objective["status"], objective["coupling"]) == ("pg", "changed", None)
    assert part == {"kind": "term", "name": "surrogate", "status": "changed", "through": [], "changes": [{
        "meaning": "clip 0.8 .. 1.28 → 0.8 .. 1.2",
        "before": "clip(exp(log pi_actor(y) - log mu(y)), 0.8, 1.28)",
        "after": "clip(exp(log pi_actor(y) - log mu(y)), 0.8, 1.2)"}]}
    assert document["settings"] == [{"where": "update actor with pg", "what": "optimizer lr", "before": "0.001",
                                     "after": "0.0001"}]


def test_json_of_specs_that_are_wrong_has_their_findings(rldsl: Command, project: Path) -> None:
    found = rldsl("diff", "--json", "wrong.rl", "absent.rl")
    wrong, absent = json.loads(found.out)["faults"]
    assert found.status == 2
    assert wrong["file"] == "wrong.rl" and wrong["diagnostics"][0]["code"] == "RL101"
    assert absent["file"] == "absent.rl" and absent["unreadable"]


# ------------------------------------------------------------------ Python
def test_two_texts_are_compared_from_python() -> None:
    found = package.diff(SPEC, SPEC.replace("1.28", "1.2"))
    assert not found.is_same_mathematics
    assert found.objectives[0].parts[0].changes[0].meaning == "clip 0.8 .. 1.28 → 0.8 .. 1.2"
    assert package.diff(SPEC, SPEC.replace("beta * mean(", "mean(beta * ")).is_same_mathematics


def test_files_are_compared_from_python_each_in_its_folder(tmp_path: Path) -> None:
    for name, body in (("one", "2 * x"), ("two", "x + x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lib.rl").write_text(f"fn twice(x: Real) = {body}\n", encoding="utf-8")
        text = 'import "lib.rl" (twice)\n' + SPEC.replace("beta * mean(", "beta * mean(twice(").replace("1.28))", "1.28)))")
        (tmp_path / name / "mine.rl").write_text(text, encoding="utf-8")
    assert package.diff(tmp_path / "one" / "mine.rl", tmp_path / "two" / "mine.rl").is_same_mathematics


def test_a_wrong_spec_raises_with_its_findings() -> None:
    with pytest.raises(package.SpecError) as raised:
        package.diff(SPEC, SPEC.replace("mean(clipped", "(clipped"))
    assert "RL101" in str(raised.value)
    assert raised.value.diagnostics[0].code == "RL101"


# ------------------------------------------------------------------ the same bytes, and few imports
@pytest.mark.slow
def test_a_comparison_does_not_depend_on_the_seed_of_the_interpreter() -> None:
    command = [sys.executable, "-m", "rldsl", "diff", "ppo.rl", "several_changes.rl"]
    printed = [subprocess.run([*command, *more], cwd=PAIRS, timeout=120, capture_output=True, text=True, check=False,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed})
               for more in ((), ("--json",)) for seed in ("1", "2")]
    assert [entry.returncode for entry in printed] == [1] * 4
    assert printed[0].stdout == printed[1].stdout != ""
    assert printed[2].stdout == printed[3].stdout != ""


def test_a_comparison_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['rldsl', 'diff', 'grpo.rl', 'sequence_ratio.rl']\n" \
           "from rldsl.cli import main\n" \
           "try:\n    main()\nexcept SystemExit:\n    pass\n" \
           "heavy = {'torch', 'numpy', 'numba', 'networkx', 'lark', 'typer', 'rich', 'jinja2', 'transformers'}\n" \
           "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    made = subprocess.run([sys.executable, "-c", code], cwd=PAIRS, capture_output=True, text=True, check=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "coupling level token → sample" in made.stdout
    assert made.stderr.strip() == "[]"


# ------------------------------------------------------------------ explain
def clipped_hash() -> str:
    """The hash of the library's `clipped`, as its definition gives it."""
    modules = ModuleTable(library_only)
    source = library_source("std.surrogate")
    assert isinstance(source, Source)
    scope = modules.open(source)
    assert scope is not None
    [function] = [item for item in scope.tree.items if isinstance(item, tree.Function) and item.name == "clipped"]
    return definition_of(modules, scope, function).digest or ""


def test_explain_names_the_library_functions_of_an_objective_with_their_hashes(rldsl: Command, project: Path) -> None:
    found = rldsl("explain", "mine.rl")
    assert f"\n  uses std.surrogate.clipped {clipped_hash()[:8]}\n" in found.out
    [objective] = json.loads(rldsl("explain", "mine.rl", "--json").out)["objectives"]
    assert objective["uses"] == [{"name": "std.surrogate.clipped", "sha256": clipped_hash()}]


def test_the_hash_of_a_function_of_ones_own_changes_with_its_mathematics_alone(rldsl: Command, project: Path) -> None:
    text = 'import "lib.rl" (mine)\n' + SPEC.replace("clipped(exp", "mine(exp").replace("import std.surrogate (clipped)\n", "")
    (project / "using.rl").write_text(text, encoding="utf-8")
    printed = []
    for body in ("min(r * a, clip(r, b) * a)", "min(clip(r,b)*a,r*a) # turned", "min(r * a, clip(r, b) * a) / 2"):
        (project / "lib.rl").write_text(f"fn mine(r: Real, a: Real, b: Bounds) = {body}\n", encoding="utf-8")
        printed += re.findall(r"  uses lib\.rl:mine ([0-9a-f]{8})\n", rldsl("explain", "using.rl").out)
    assert printed[0] == printed[1] != printed[2]


def test_modules_of_functions_are_compared_by_what_these_mean(rldsl: Command, project: Path) -> None:
    text = "fn twice(x: Real) = 2 * x\nfn half(x: Real) = x / 2\n"
    for name, body in (("one.rl", text), ("two.rl", "## Halves.\nfn half(y: Real) = 0.5 * y\nfn twice(x: Real) = x + x\n"),
                       ("three.rl", text.replace("x / 2", "x / 3")), ("four.rl", text.replace("half", "halved"))):
        (project / name).write_text(body, encoding="utf-8")
    assert rldsl("diff", "one.rl", "two.rl").status == 0
    found = rldsl("diff", "one.rl", "three.rl")
    assert found.status == 1
    assert re.search(r"\nfn half\n  means something else\n    - [0-9a-f]{8}\n    \+ [0-9a-f]{8}\n", found.out)
    assert "twice" not in found.out
    found = rldsl("diff", "one.rl", "four.rl")
    assert found.status == 1 and "fn half: removed" in found.out and "fn halved: added" in found.out


def test_a_library_module_is_the_same_as_itself(rldsl: Command) -> None:
    assert rldsl("diff", "std.aggregate", "std.aggregate").status == 0
    assert rldsl("diff", "std.aggregate", "std.value").status == 1


@pytest.mark.parametrize("page", ["docs/tour.md", "CHANGELOG.md"])
def test_the_hash_that_the_pages_show_is_the_one_that_is_printed(page: str) -> None:
    assert f"uses std.surrogate.clipped {clipped_hash()[:8]}\n" in (ROOT / page).read_text(encoding="utf-8")
