"""Scores tokens without a gradient: log-probabilities of the reference or of the proximal policy, entropies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rldsl.emit.load import load_module
from rldsl.emit.to_head import RowRead, RowShape, emit_rows
from rldsl.graph.divergences import DIVERGENCES, row_divergence
from rldsl.graph.model import ReadKind
from rldsl.kernels.head import GroupRun, Numbers, RowKernel, read_rows
from rldsl.kernels.rows import Rows
from rldsl.kernels.sources import source_of, source_of_rows
from rldsl.kernels.workspace import Workspaces

CHUNK_BYTES = 128 << 20
_WORKSPACES = Workspaces()


def score_rows(kinds: Sequence[ReadKind], rows: Rows, *, temperature: float = 1.0, weight: float = 0.5,
               alpha: float | None = None, chunk_bytes: int = CHUNK_BYTES) -> dict[ReadKind, Numbers]:
    """Each kind, one number a token, by chunks: one GEMM over the rows (2THV), and no more memory than a chunk.

    Rows on a GPU, and rows in shards, are read by Triton kernels, all others by numba. A divergence is from the rows to the one
    policy of `rows.others`; `weight` is that of the rows in JS, `alpha` the parameter of the alpha divergence.
    """
    others = tuple(rows.others.values())
    if len(others) > 1:
        raise ValueError(f"a divergence is of two policies: score {sorted(rows.others)} one by one")
    parameters = {ReadKind.JS: weight, ReadKind.ALPHA: alpha}
    reads = tuple(_row_read(kind, bool(others), parameters.get(kind)) for kind in dict.fromkeys(kinds))
    shape = RowShape(reads, len(others))
    if rows.given.device.type != "cpu" or rows.shard is not None:
        from rldsl.triton_scoring import score_on_device
        return dict(zip(dict.fromkeys(kinds), score_on_device(shape, rows, temperature, chunk_bytes), strict=True))
    read = load_module(emit_rows(shape), "rows").read
    kernel = RowKernel(read, None, read, shape.width, 1.0 / temperature, shape.parameters)
    found = tuple(np.zeros(len(rows.targets)) for _ in reads)
    with torch.no_grad(), _WORKSPACES.lend() as workspace:
        group = GroupRun(kernel, "scored", source_of_rows(rows),
                         tuple(source_of(other, rows) for other in others), rows.targets.numpy(),
                         rows.vocabulary, 0, np.array([0, len(rows.targets)]), found, ())
        read_rows([group], (0, 1), chunk_bytes, workspace)
    return dict(zip(dict.fromkeys(kinds), found, strict=True))


def _row_read(kind: ReadKind, has_other: bool, parameter: float | None) -> RowRead:
    if kind in DIVERGENCES:
        if not has_other:
            raise ValueError(f"`{kind}` needs the rows of another policy")
        if kind is ReadKind.ALPHA and parameter in (None, 0.0, 1.0):
            raise ValueError(f"`{kind}` needs `alpha`, which is neither 0 nor 1")
        name, given = row_divergence(kind, parameter, of_second=False)
        return RowRead(name, 0, parameter=given)
    if kind not in (ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.LOGZ):
        raise ValueError(f"`{kind}` is not read of a vocabulary row")
    return RowRead(kind.value)
