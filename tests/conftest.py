"""Options and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

from rldsl.elaborate.whole import FRAMES

# Before torch is imported: waiting threads sleep, and the processes of a parallel run (-n) have one thread each.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything imports triton: without a GPU its kernels are interpreted. Nothing else reads it; what compiles ahead of time runs
# in processes of its own, without it. `TRITON_INTERPRET=0` keeps it off.
if not os.path.exists("/dev/nvidiactl"):
    os.environ.setdefault("TRITON_INTERPRET", "1")


# As elaborating a first spec does: hypothesis warns where the limit changes within a test.
sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES))


# The same examples every time, however long one takes: whether a test passes says nothing of the machine. Others are looked for
# with `--hypothesis-profile default`.
settings.register_profile("rldsl", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
settings.load_profile("rldsl")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes what the tests found into their golden files instead of comparing."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cases of a test that the fast run leaves out are slow: of each test it takes `CASES`, or as many as `wide` says."""
    sweeps: dict[str, list[pytest.Item]] = {}
    for item in items:
        sweeps.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in sweeps.values():
        marker = cases[0].get_closest_marker("wide")
        kept = spread_evenly(len(cases), CASES if marker is None else marker.args[0])
        for place, item in enumerate(cases):
            if place not in kept:
                item.add_marker(pytest.mark.slow)


CASES = 2  # of each test in the fast run


def spread_evenly(count: int, kept: int) -> set[int]:
    """The places of `kept` of so many cases, the first one and (of several) the last among them."""
    taken = min(kept, count)
    return {round(step * (count - 1) / max(1, taken - 1)) for step in range(taken)}


@pytest.fixture(autouse=True, scope="module")
def little_garbage() -> None:
    """A collection looks at what a module made: a worker's heap grows to gigabytes, and going over all of it takes seconds, which
    tests that say "at once" would count."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


def pytest_unconfigure() -> None:
    """Libraries count what is left at the end."""
    gc.unfreeze()
