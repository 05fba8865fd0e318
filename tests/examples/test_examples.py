"""Whatever an example or a library module claims runs here, scaled down where it is long."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from rldsl.certify import certify
from rldsl.compiler import check_source
from rldsl.diagnostics import Severity
from rldsl.docs import PAGES
from rldsl.graph.model import Foreign
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.program import BackendName, Program
from rldsl.source import Source
from rldsl.syntax.format import format_module
from rldsl.testing.run import finite, run_test
from rldsl.train.runner import run_spec
from tests.sandbox.bench import refusal

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.rl"))
TRAINING = [path for path in EXAMPLES if "\ntrain {" in path.read_text(encoding="utf-8") and path.stem != "quickstart"]
LIBRARY = sorted((ROOT / "stdlib").glob("*.rl"))
TESTS = [(path, number) for path in LIBRARY for number in range(path.read_text(encoding="utf-8").count('\ntest "'))]


def spec_at(path: Path, overrides: dict[str, str] | None = None) -> Spec:
    """A spec that must have no finding but notes."""
    source = Source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    result = check_source(source, project_loader(path.parent), overrides)
    assert [entry for entry in result.diagnostics if entry.severity is not Severity.NOTE] == []
    assert result.spec is not None
    return result.spec


def levels_of_isolation(spec: Spec) -> set[str]:
    """Where a spec runs code of its policy."""
    calls = [node.operation for node in spec.graph.nodes if isinstance(node.operation, Foreign)]
    return {str(dict(call.settings)["isolate"]) for call in calls if call.name in ("verify.tests", "verify.program", "verify.sql")}


@pytest.mark.wide(12)
@pytest.mark.parametrize("path", [*EXAMPLES, *LIBRARY], ids=lambda path: path.stem)
def test_a_shipped_spec_is_formatted_and_raises_no_finding(path: Path) -> None:
    spec_at(path)
    text, faults = format_module(Source(path.name, path.read_text(encoding="utf-8")))
    assert faults == ()
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.wide(20)
@pytest.mark.parametrize(("path", "number"), TESTS, ids=lambda value: value.stem if isinstance(value, Path) else str(value))
def test_what_the_library_says_of_itself_holds_on_the_reference(path: Path, number: int) -> None:
    spec = spec_at(path)
    result = run_test(spec, spec.tests[number], "torch")
    assert result.passed, [(entry.expect.text, finite(entry.left), finite(entry.right)) for entry in result.failures]


@pytest.mark.slow
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_what_the_library_says_of_itself_holds_on_the_kernels(path: Path) -> None:
    spec = spec_at(path)
    for test in spec.tests:
        result = run_test(spec, test, "numba")
        assert result.passed, (test.name, [(finite(entry.left), finite(entry.right)) for entry in result.failures])


@pytest.mark.slow
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_what_the_library_says_of_itself_holds_on_triton(path: Path) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    spec = spec_at(path)
    for test in spec.tests:
        result = run_test(spec, test, "triton")
        assert result.passed, (test.name, [(finite(entry.left), finite(entry.right)) for entry in result.failures])


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_the_kernels_of_an_example_agree_with_the_reference(path: Path, backend: BackendName) -> None:
    if backend == "triton":
        pytest.importorskip("triton", reason="Triton is not installed")
    spec = spec_at(path)
    program = Program(spec, backend)
    for objective in spec.objectives:
        report = certify(program.objective(objective.name), seed=1)
        assert report.passed, str(report)


@pytest.mark.wide(1)
@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_an_example_trains_two_iterations(path: Path, tmp_path: Path) -> None:
    spec = spec_at(path, {"steps": "2"})
    for level in levels_of_isolation(spec):
        if reason := refusal(level):
            pytest.skip(f"no `isolate: {level}` here: {reason}")
    result = run_spec(spec, project=path.parent, out=tmp_path / "run", seed=3, quiet=True)
    assert result.iteration == 2
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses and all(isinstance(loss, float) and math.isfinite(loss) for loss in losses)
    if result.logp_difference is not None and not math.isnan(result.logp_difference):
        assert result.logp_difference <= 1e-5
    assert (tmp_path / "run" / "report.html").stat().st_size > 2000


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_made_from_the_code_are_up_to_date(name: str) -> None:
    is_current = (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]()
    assert is_current, f"docs/{name} is not what the code says any more: run `make docs` (a merge conflict in it is settled so too)"
