"""Every method spec checks, is formatted, holds what it says of itself, trains two updates, and has its place on the page."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rldsl.certify import certify
from rldsl.compiler import check_source
from rldsl.graph.model import Pick, Rank
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.methods_page import construct_uses, library_uses, method_paths, read_gaps, read_method
from rldsl.program import Program
from rldsl.source import Source
from rldsl.syntax.format import format_module
from rldsl.testing.run import finite, run_test
from rldsl.train.outcome import RunError
from rldsl.train.runner import run_spec
from rldsl.types import Stage
from tests.examples.test_examples import spec_at

METHODS = method_paths()
SMALL = {"prompts": "8", "steps": "2", "warm": "1"}


def small(path: Path) -> dict[str, str]:
    """The parameters of a spec that make it short."""
    text = path.read_text(encoding="utf-8")
    return {name: value for name, value in SMALL.items() if re.search(rf"^param {name}:", text, re.MULTILINE)}


def losses(folder: Path) -> list[float]:
    """The losses that a run logged."""
    lines = (json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [value for line in lines for name, value in line.items() if name == "loss"]


@pytest.mark.wide(6)
@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_method_is_formatted_and_raises_no_finding(path: Path) -> None:
    spec_at(path)
    text = path.read_text(encoding="utf-8")
    assert format_module(Source(path.name, text)) == (text, ())


@pytest.mark.wide(6)
@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_method_opens_with_its_paper_and_tests_a_number(path: Path) -> None:
    method = read_method(path)
    assert re.fullmatch(r"m\d{3}-[a-z0-9_]+", path.stem)
    assert method.sentence.endswith(".") and method.paragraphs[0].startswith("Paper: ")
    assert method.spec.tests and all(test.expects for test in method.spec.tests)
    assert method.spec.objectives and method.spec.train


@pytest.mark.wide(6)
@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_what_a_method_says_of_itself_holds_on_the_reference(path: Path) -> None:
    _check_tests(path, "torch")


@pytest.mark.slow
def test_methods_hold_on_the_emitted_text_and_have_the_slopes_of_their_spec(tmp_path: Path) -> None:
    """All of them, as plain Python: compiling each by numba would take longer than everything else together."""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.differential.methods"], capture_output=True, text=True,
                         timeout=1800, check=False, cwd=Path(__file__).parents[2], env={**os.environ, "RLDSL_CACHE": str(tmp_path)})
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert f"{len(METHODS)} specs, 0 with faults" in ran.stdout


def _check_tests(path: Path, backend: str) -> None:
    spec = spec_at(path)
    for test in spec.tests:
        result = run_test(spec, test, backend, path.parent)
        assert result.passed, (test.name, [(entry.expect.text, finite(entry.left), finite(entry.right))
                                           for entry in result.failures])


@pytest.mark.slow
@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_method_trains_two_updates_or_is_refused_as_its_status_says(path: Path, tmp_path: Path) -> None:
    method, spec = read_method(path), spec_at(path, small(path))
    if method.status != "runs":
        with pytest.raises(RunError, match=re.escape(method.status.removeprefix("type-checks; "))):
            run_spec(spec, project=path.parent, out=tmp_path / "run", dry_run=True, quiet=True)
        return
    result = run_spec(spec, project=path.parent, out=tmp_path / "run", seed=3, quiet=True, backend="torch")
    found = losses(tmp_path / "run")
    assert result.step >= 2
    assert found and all(math.isfinite(loss) for loss in found)
    if result.logp_difference is not None and not math.isnan(result.logp_difference):
        assert result.logp_difference <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("path", METHODS[::12], ids=lambda path: path.stem)
def test_the_kernels_of_a_method_agree_with_the_reference(path: Path) -> None:
    spec = spec_at(path)
    if not spec.deferred:
        for objective in spec.objectives:
            report = certify(Program(spec).objective(objective.name), seed=1)
            wrong = [entry for entry in report.comparisons if not entry.passed]
            assert not [entry for entry in wrong if not (ranks_reads(spec) and entry.case == "large logits")], str(report)


def ranks_reads(spec: Spec) -> bool:
    """Whether tokens are chosen by the order of what is read: of entropies near 0 the order is that of their rounding."""
    return any(isinstance(node.operation, Rank | Pick) and node.type.stage is Stage.UPDATE for node in spec.graph.nodes)


def test_a_verdict_is_asked_for_once_for_each_text_however_often_it_is_used(tmp_path: Path) -> None:
    path = next(path for path in METHODS if path.stem == "m001-authormist")
    shutil.copytree(path.parent / "tasks", tmp_path / "tasks")
    with (tmp_path / "tasks" / "paraphrases.py").open("a", encoding="utf-8") as module:
        module.write(f"\n\n_asked = by_letters\n\n\ndef by_letters(text):\n    with open({str(tmp_path / 'log')!r}, 'a') as log:\n"
                     "        log.write(text + chr(10))\n    return _asked(text)\n")
    text = path.read_text(encoding="utf-8") + "\nreward letters = by_letters(y.text)\nreward both = human + letters\n"
    spec = check_source(Source("twice.rl", text), project_loader(tmp_path)).spec
    assert spec is not None
    reward = Program(spec, project=tmp_path).reward("both")
    found = reward(["aa", "mn", "aa", "ab"])
    reward.close()
    # by letters 0, 1, 0, 0; by repetition 1, 0, 1, 0
    assert list(found) == [0.5, 1.5, 0.5, 1.0]
    assert sorted((tmp_path / "log").read_text(encoding="utf-8").split()) == ["aa", "ab", "mn"]


# ------------------------------------------------------------------ the page
def test_each_gap_names_known_constructs_and_each_construct_is_waited_for() -> None:
    constructs, gaps = read_gaps()
    named = [word for gap in gaps for word in gap.constructs]
    assert set(named) == set(constructs)
    assert len({gap.id for gap in gaps}) == len(gaps)
    assert all(gap.sentence.endswith(".") and gap.constructs for gap in gaps)


def test_a_method_has_a_spec_or_a_gap_and_a_part_left_out_has_both() -> None:
    specs = {path.stem.split("-", 1)[0] for path in METHODS}
    assert len(specs) == len(METHODS)
    assert {gap.id for gap in read_gaps()[1] if gap.whole}.isdisjoint(specs)
    assert {gap.id for gap in read_gaps()[1] if not gap.whole} <= specs


def test_what_a_spec_uses_is_read_off_its_imports_and_its_graph() -> None:
    method = read_method(next(path for path in METHODS if path.stem == "m165-forking_tokens"))
    assert library_uses(method) == ["std.entropy: forking_tokens", "std.surrogate: dual_clipped", "prelude: normalize"]
    assert construct_uses(method.spec) == ["rollout", "exact entropy", "quantile", "text.ends_with"]
