"""The functions inside emitted numba modules: exact to a unit or two of the last place, right at the edges."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mpmath
import numpy as np
import pytest

from rldsl.emit.load import cache_folder, load_module
from rldsl.emit.templates import render

HELPERS = ("split", "exp", "expm1", "log", "log1p", "sigmoid", "log_sigmoid", "softplus", "tanh", "nth", "quantile",
           "pick_quantile")
CHOSEN = np.random.default_rng(0)
NEAR, WIDE = CHOSEN.uniform(-1, 1, 400), CHOSEN.uniform(-708, 709, 400)
POSITIVE = np.concatenate([CHOSEN.uniform(0.5, 2, 400), np.exp(CHOSEN.uniform(-700, 700, 300)), [5e-324, 1e-310]])
EXACT: dict[str, tuple[Callable[[mpmath.mpf], mpmath.mpf], np.ndarray, float]] = {
    "exp": (mpmath.exp, np.concatenate([NEAR, WIDE]), 1.1),
    "expm1": (mpmath.expm1, np.concatenate([NEAR, NEAR * 1e-6, WIDE]), 2.0),
    "log": (mpmath.log, np.concatenate([POSITIVE, 1 + NEAR * 1e-6]), 1.1),
    "log1p": (mpmath.log1p, np.concatenate([NEAR * 0.99, NEAR * 1e-8, POSITIVE]), 2.0),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), np.concatenate([NEAR, WIDE]), 2.5),
    "log_sigmoid": (lambda x: -mpmath.log1p(mpmath.exp(-x)), np.concatenate([NEAR, WIDE]), 2.5),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), np.concatenate([NEAR, WIDE]), 2.5),
    "tanh": (mpmath.tanh, np.concatenate([NEAR, WIDE / 30]), 3.5)}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A module of helpers alone."""
    functions = [f"\n\n@compiled\ndef all_{name}(x, out):\n    for i in range(x.size):\n        out[i] = {name}(x[i])\n"
                 for name in EXACT]
    text = render("numba/combine.py.jinja", header=["test"], functions=[], used=frozenset(HELPERS)) + "".join(functions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLDSL_CACHE", str(tmp_path_factory.mktemp("kernels")))
        return load_module(text, "kernels")


def _applied(kernels: ModuleType, name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    getattr(kernels, f"all_{name}")(x, out)
    return out


@pytest.mark.wide(2)
@pytest.mark.parametrize("name", EXACT)
def test_functions_are_exact_to_the_last_places(kernels: ModuleType, name: str) -> None:
    exact, x, units = EXACT[name]
    found = _applied(kernels, name, x)
    with mpmath.workprec(200):
        truth = [exact(mpmath.mpf(value)) for value in x.tolist()]
        errors = [abs(mpmath.mpf(value) - t) / mpmath.mpf(math.ulp(float(t)))
                  for value, t in zip(found.tolist(), truth, strict=True) if float(t) != 0.0]
    assert float(max(errors)) <= units


def test_edges(kernels: ModuleType) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -1.0, -2.0, 709.79, -746.0])
    e = math.exp
    expected = {
        "exp": [np.inf, 0, np.nan, 1, e(-1), e(-2), np.inf, 0],
        "expm1": [np.inf, -1, np.nan, 0, e(-1) - 1, e(-2) - 1, np.inf, -1],
        "log": [np.inf, np.nan, np.nan, -np.inf, np.nan, np.nan, math.log(709.79), np.nan],
        "log1p": [np.inf, np.nan, np.nan, 0, -np.inf, np.nan, math.log1p(709.79), np.nan],
        "tanh": [1, -1, np.nan, 0, math.tanh(-1), math.tanh(-2), 1, -1],
        "sigmoid": [1, 0, np.nan, 0.5, 1 / (1 + e(1)), 1 / (1 + e(2)), 1, 0],
        "log_sigmoid": [0, -np.inf, np.nan, -math.log(2), -math.log1p(e(1)), -math.log1p(e(2)), 0, -746],
        "softplus": [np.inf, 0, np.nan, math.log(2), math.log1p(e(-1)), math.log1p(e(-2)), 709.79, 0]}
    for name, values in expected.items():
        np.testing.assert_allclose(_applied(kernels, name, x), values, rtol=1e-15, atol=1e-300, err_msg=name)


@pytest.mark.slow
def test_selection_finds_quantiles(kernels: ModuleType) -> None:
    for size in (1, 2, 3, 10, 101):
        values = np.round(CHOSEN.normal(size=size), 1)
        for level in (0.0, 0.3, 0.5, 0.99, 1.0):
            expected = np.quantile(values, level)
            np.testing.assert_allclose(kernels.quantile(values.copy(), level), expected, rtol=1e-14, atol=1e-15)
            low, high, part = kernels.pick_quantile(values, np.arange(size), level)
            np.testing.assert_allclose(values[low] * (1 - part) + values[high] * part, expected, rtol=1e-14, atol=1e-15)


def test_equal_values_are_picked_in_the_order_of_their_places(kernels: ModuleType) -> None:
    for level in (-0.1, 1.1, math.nan):  # a parameter can bring any
        assert math.isnan(kernels.quantile(np.array([1.0, 2.0]), level))
        assert math.isnan(kernels.pick_quantile(np.array([1.0, 2.0]), np.arange(2), level)[2])
    assert kernels.pick_quantile(np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.arange(5), 0.5)[:2] == (0, 2)


# ------------------------------------------------------------------ modules
def test_modules_are_written_once_and_shown_in_tracebacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))
    module = load_module("def fail():\n    raise ValueError('here')\n", "my objective!")
    path = Path(module.__file__ or "")
    stamp = path.stat().st_mtime_ns
    assert path.name.startswith("rldsl_my_objective_") and path.parent == cache_folder()
    assert load_module("def fail():\n    raise ValueError('here')\n", "my objective!") is module
    assert path.stat().st_mtime_ns == stamp
    assert [entry.suffix for entry in path.parent.iterdir() if entry.is_file()] == [".py"]


def test_a_broken_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))
    name = load_module("value = 3\n", "thing").__name__
    monkeypatch.delitem(sys.modules, name)
    (cache_folder() / f"{name}.py").write_text("value = 4\n")
    assert load_module("value = 3\n", "thing").value == 3


def test_an_unwritable_cache_falls_back_to_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("RLDSL_CACHE", str(blocked))
    assert load_module("value = 5\n", "elsewhere").value == 5
    assert not cache_folder().is_relative_to(tmp_path)


def test_processes_may_write_the_same_module_at_once(tmp_path: Path) -> None:
    program = ("from rldsl.emit.load import load_module\n"
               "print(sum(load_module(f'value = {i}\\n', 'shared').value for i in range(40)))\n")
    root = Path(__file__).parents[2]
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root,
                                env={"RLDSL_CACHE": str(tmp_path), "PYTHONPATH": str(root)}) for _ in range(3)]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == [b"780"] * 3
