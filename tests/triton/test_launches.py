"""Emitted files are launched as on a GPU, without one: what arguments of a launch make of kernels is compiled once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from tests.triton.without_device import SIZES

ROOT = Path(__file__).parents[2]
# by coupling: token (fused), sample, prompt with two responses, batch (two passes)
CASES = [("grpo.rl", "logits"), ("gspo.rl", "hidden"), ("dpo.rl", "logits"), ("methods/m165-forking_tokens.rl", "hidden")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), CASES)
def test_batches_of_other_sizes_compile_nothing_again(name: str, form: str, tmp_path: Path) -> None:
    """One prompt with one sample of one token is among them."""
    apart = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "tests.triton.without_device", name, "0", form], cwd=ROOT, check=False,
                          capture_output=True, text=True, env=apart)
    assert done.returncode == 0, done.stderr
    first, *others = (json.loads(line) for line in done.stdout.splitlines())
    rows = [kernel for kernel in first if "_rows" in kernel]
    assert len(first) > len(rows) >= 1 and len(set(first)) == len(first)
    assert others == [[]] * (len(SIZES) - 1)
