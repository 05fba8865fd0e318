"""The `test` command: every test of every spec on every back end present, with both sides of what does not hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from rldsl.graph.spec import Spec
from rldsl.reporting import check_path, counted, print_failure, print_findings
from rldsl.resolve.modules import LoadFailure
from rldsl.testing.run import TestResult, finite, run_test
from rldsl.train.outcome import RunError

BACKENDS = ("torch", "numba", "triton")


def backends_present() -> tuple[str, ...]:
    """The back ends that can run here: their packages are installed, and Triton finds a GPU or interprets."""
    found = tuple(name for name in BACKENDS if find_spec(name) is not None)
    return found if "triton" not in found or _runs_triton() else found[:-1]


def _runs_triton() -> bool:
    import torch

    from rldsl.emit.triton.interpreter import is_interpreted
    return is_interpreted() or torch.cuda.is_available()


def run_tests(paths: Sequence[str], backend: str | None, *, as_json: bool) -> int:
    """0 where everything holds, 1 where not, 2 where no such back end is there."""
    chosen = (backend,) if backend is not None else backends_present()
    if not chosen or any(name not in backends_present() for name in chosen):
        print(f"error: the back end {backend or 'torch'} is not installed\n why: there are {', '.join(BACKENDS)}.\n"
              " fix: pip install 'rldsl[torch]'", file=sys.stderr)
        return 2
    worst, results = 0, list[tuple[str, TestResult]]()
    for path in paths:
        checked = check_path(path, {})
        if isinstance(checked, LoadFailure):
            print_failure(path, checked)
            worst = 1
        elif checked.errors or checked.spec is None:
            print_findings(path, checked.errors, checked.sources)
            worst = 1
        elif not checked.spec.tests:
            print(f"no test blocks in {path}", file=sys.stderr if as_json else sys.stdout)
        else:
            try:
                results += list(_run(checked.spec, path, chosen, quiet=as_json))
            except RunError as fault:
                print(f"FAILED {fault}", file=sys.stderr)
                worst = 1
    if as_json:
        print(json.dumps([_document(path, result) for path, result in results], indent=2))
    elif results:
        _summary(results)
    return 1 if any(not result.passed for _, result in results) else worst


def _run(spec: Spec, path: str, backends: Sequence[str], *, quiet: bool) -> Iterator[tuple[str, TestResult]]:
    for test in spec.tests:
        for name in backends:
            result = run_test(spec, test, name, Path(path).parent)
            if not quiet:
                _print(spec, path, result)
            yield path, result


def _print(spec: Spec, path: str, result: TestResult) -> None:
    if result.passed:
        return
    for failure in result.failures:
        line, _ = spec.sources[failure.expect.span.file].position(failure.expect.span.start)
        print(f"FAILED {path}:{line} \"{result.test.name}\" on {result.backend}\n    {failure.expect.text}\n"
              f"    left  {finite(failure.left)}\n    right {finite(failure.right)}")


def _summary(results: Sequence[tuple[str, TestResult]]) -> None:
    tests = {(path, result.test.name) for path, result in results}
    backends = sorted({result.backend for _, result in results})
    failed = sum(not result.passed for _, result in results)
    print(f"{counted(len(tests), 'test')} on {' and '.join(backends) or 'no back end'}: "
          f"{'all hold' if not failed else counted(failed, 'failure')}")


def _document(path: str, result: TestResult) -> dict[str, object]:
    return {"file": path, "test": result.test.name, "backend": result.backend, "passed": result.passed,
            "failures": [{"expect": entry.expect.text, "left": list(entry.left), "right": list(entry.right)}
                         for entry in result.failures]}
