"""On a GPU: a kernel that breaks the device's context, as one that writes where it may not, fails its own test alone."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """CUDA answers every call of a process with the first such fault. A process of a parallel run ends behind the report of the
    test, whose crash is said too, and another one goes on with the others."""
    if report.failed and "PYTEST_XDIST_WORKER" in os.environ and device_is_lost():
        os._exit(1)


def device_is_lost() -> bool:
    """Whether CUDA is in use here and has ceased to answer."""
    import torch
    if not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
