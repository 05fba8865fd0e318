"""A device that no longer answers costs the test that broke it, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.triton.conftest import device_is_lost

ROOT = Path(__file__).parents[2]
HOOKS = """
import os
from tests.triton import conftest

conftest.device_is_lost = lambda: "LOST" in os.environ
pytest_runtest_logreport = conftest.pytest_runtest_logreport
"""
TESTS = """
import os

import pytest


def test_an_ordinary_mistake():
    assert "LOST" not in os.environ and 1 + 1 == 3


def test_that_breaks_the_device():
    os.environ["LOST"] = "1"
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("number", range(3))
def test_that_needs_it(number):
    assert "LOST" not in os.environ
"""


@pytest.mark.slow
def test_the_tests_behind_one_that_breaks_the_device_run(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "1", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=inherited | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                          check=False)
    assert "an illegal memory access was encountered" in done.stdout and "1 + 1" in done.stdout
    assert done.stdout.count("crashed while running 'test_it.py::test_that_breaks_the_device'") >= 1
    assert "3 passed" in done.stdout and "test_that_needs_it" not in done.stdout


def test_a_device_that_nobody_has_used_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert not device_is_lost()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert device_is_lost()
