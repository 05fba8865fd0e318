"""Forms that overflow or cancel are computed in others that do not, and are the same everywhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rldsl.compiler import check_source
from rldsl.loading import library_only
from rldsl.source import Source
from rldsl.testing.run import finite, run_test

EXTREME = """
test "what would overflow does not" {
  let x = [[1000, 999, -1000], [-2000]] @ sample
  expect log(sum(exp(x), per: prompt)) == [1000.3132616875, -2000] within 1e-9
  expect log(mean(exp(x), per: prompt)) == [999.2146493988, -2000] within 1e-9
  expect log(sum(exp(x), per: prompt, where: x < 0)) == [-1000, -2000] within 1e-9
  expect log(sum(2 * exp(x), per: prompt)) == [1001.0064088681, -1999.3068528194] within 1e-9
  expect log(1 + exp(x)) == [[1000, 999, 0], [0]] within 1e-12
  expect log(sigmoid(x)) == [[0, 0, -1000], [-2000]] within 1e-12
  expect log(1 - sigmoid(x)) == [[-1000, -999, 0], [0]] within 1e-12
  expect exp(x) / exp(x - 1) == 2.7182818285 within 1e-9
  expect 1 / (1 + exp(-x)) == [[1, 1, 0], [0]] within 1e-12
}
test "nothing is lost near 0" {
  let s = [1e-20, -1e-20] @ sample
  expect exp(s) - 1 == s within 1e-30
  expect -1 + exp(s) == s within 1e-30
  expect 1 - exp(s) == -s within 1e-30
  expect log(1 + s) == s within 1e-30
  expect log(1 - s) == -s within 1e-30
}
test "a sum of nothing is still 0" {
  let x = [1, 2] @ sample
  expect log(sum(exp(x), per: prompt, where: x > 5)) < -1e308
}
test "gradients" {
  let x = live([[1000, 999, -1000], [-2000]] @ sample)
  expect gradient(sum(log(sum(exp(x), per: prompt))), of: x)
    == [[0.7310585786, 0.2689414214, 0], [1]] within 1e-9
}
"""
X, W = np.array([0.3, -1.2, 2.1]), np.array([0.5, 2.0, 0.0])
ORDINARY = {
    "log(sum(exp(x), per: prompt))": np.log(np.exp(X).sum()),
    "log(mean(exp(x), per: prompt))": np.log(np.exp(X).mean()),
    "log(sum(w * exp(x), per: prompt))": np.log((W * np.exp(X)).sum()),
    "log(sum(exp(x) * w, per: prompt, where: x < 1))": np.log((W * np.exp(X))[X < 1].sum()),
    "log(sum(exp(x)))": np.log(np.exp(X).sum()),
    "sum(log(1 + exp(x)))": np.log(1 + np.exp(X)).sum(),
    "sum(log(exp(x) + 1))": np.log(1 + np.exp(X)).sum(),
    "sum(log(sigmoid(x)))": np.log(1 / (1 + np.exp(-X))).sum(),
    "sum(log(1 - sigmoid(x)))": np.log(1 - 1 / (1 + np.exp(-X))).sum(),
    "sum(1 - sigmoid(x))": (1 - 1 / (1 + np.exp(-X))).sum(),
    "sum(exp(x) - 1)": (np.exp(X) - 1).sum(),
    "sum(exp(x) + -1)": (np.exp(X) - 1).sum(),
    "sum(1 - exp(x))": (1 - np.exp(X)).sum(),
    "sum(log(1 + w))": np.log(1 + W).sum(),
    "sum(log(1 - 0.1 * w))": np.log(1 - 0.1 * W).sum(),
    "sum(exp(x) / exp(w))": np.exp(X - W).sum(),
    "sum(1 / (1 + exp(x)))": (1 / (1 + np.exp(X))).sum(),
    "sum(1 / (exp(x) + 1))": (1 / (1 + np.exp(X))).sum(),
    "sum(log(2 + exp(x)))": np.log(2 + np.exp(X)).sum(),
    "sum(exp(x) - 2)": (np.exp(X) - 2).sum(),
}


@pytest.mark.parametrize("backend", ["torch", pytest.param("numba", marks=pytest.mark.slow)])
def test_extreme_arguments_have_exact_values_and_gradients(backend: str) -> None:
    spec = check_source(Source("extreme.rl", EXTREME), library_only).spec
    assert spec is not None and len(spec.tests) == 4
    for test in spec.tests:
        result = run_test(spec, test, backend)
        assert result.passed, [(entry.expect.text, finite(entry.left)) for entry in result.failures]


@pytest.mark.parametrize("form", ORDINARY)
def test_ordinary_arguments_have_the_values_of_what_was_written(form: str) -> None:
    text = f'test "it" {{ let x = [{", ".join(map(str, X))}] @ sample let w = [{", ".join(map(str, W))}] @ sample ' \
           f"expect {form} == {float(ORDINARY[form])!r} within 1e-14 }}"
    result = check_source(Source("ordinary.rl", text), library_only)
    assert result.spec is not None and not result.errors, result.errors
    assert run_test(result.spec, result.spec.tests[0], "torch", Path()).passed
