"""Scores tokens on a device, without a gradient: reads of rows by emitted Triton kernels, a chunk at a time."""

from __future__ import annotations

import numpy as np
import torch

from rldsl.emit.to_head import RowShape
from rldsl.emit.triton.load import load_triton
from rldsl.emit.triton.rows import emit_rows_module, sum_names
from rldsl.kernels.device.arrays import Numbers
from rldsl.kernels.device.checks import Faults, check_rows
from rldsl.kernels.device.chunks import Budget, DeviceGroup, RowLaunches, Shares, read_rows
from rldsl.kernels.device.gradients import other_source, plain_source
from rldsl.kernels.device.products import moved_to
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.rows import Rows
from rldsl.kernels.workspace import Workspace
from rldsl.triton_choice import plain_tile
from rldsl.triton_module import TritonOptions


def score_on_device(shape: RowShape, rows: Rows, temperature: float, chunk_bytes: int) -> tuple[Numbers, ...]:
    """Each read of the shape, one number a token. Raises `RuntimeError` where the kernels cannot run, `ValueError` for rows that
    they cannot take."""
    options = TritonOptions()
    device = options.chosen_device()
    check_rows("the rows", rows, device)
    faults, partners = Faults(), Partners.of(rows.shard)
    held = faults.within(rows)
    module = load_triton(emit_rows_module([shape]), "rows")
    launches = RowLaunches(module.read0, None, None, module.partition0, getattr(module, "compare0", None), module.finish0,
                           shape.width, sum(map(len, sum_names(shape))), plain_tile(rows.held))
    capped = rows.softcap is not None and rows.support is None
    settings = [1.0 / temperature, rows.softcap if capped and rows.softcap is not None else 0.0, *shape.parameters]
    found = tuple(torch.zeros(len(rows.targets), dtype=torch.float64, device=device) for _ in shape.reads)
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        group = DeviceGroup(
            launches, "scored", plain_source(held, options.exact),
            tuple(other_source(other, held, options.exact) for other in rows.others.values()), held.targets, 0,
            np.array([0, len(rows.targets)]), found, (), moved_to(torch.tensor(settings, dtype=torch.float64), device), capped,
            None, None if partners is None or rows.shard is None else Shares(partners, rows.shard.start))
        read_rows([group], (0, 1), Budget(chunk_bytes, options.least_rows), Workspace(device))
    faults.check()
    return tuple(read.cpu().numpy() for read in found)
