"""One thread, and chunks of a single row where a test asks for small ones: small batches are cut as large ones are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from rldsl.kernels import head


@pytest.fixture(autouse=True, scope="module")
def small_and_alone() -> Iterator[None]:
    """For small tensors, threads cost more than they do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "LEAST_ROWS", 1)
        yield
    torch.set_num_threads(threads)
