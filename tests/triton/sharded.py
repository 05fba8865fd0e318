"""One of several processes that hold a vocabulary between them: `python -m tests.triton.sharded RANK COUNT FOLDER NAME...`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed

from rldsl.kernels.adapter import Adapter, Shard
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective
from rldsl.triton_module import TritonOptions
from tests.head.objectives import Batch, compiled, ragged

VOCABULARY, WIDTH, RANK = 301, 16, 3


def whole_batch(name: str) -> tuple[Batch, Adapter]:
    """Rows with a bias, a soft cap and an adapter."""
    drawn = torch.Generator().manual_seed(5)
    adapter = Adapter(torch.randn(RANK, WIDTH, generator=drawn).requires_grad_(),
                      torch.randn(VOCABULARY, RANK, generator=drawn).mul_(0.3).requires_grad_(), 0.5)
    batch = ragged(name, vocabulary=VOCABULARY, bias=True)
    return replace(batch, rows={key: replace(entry, adapter=adapter, softcap=4.0) for key, entry in batch.rows.items()}), adapter


def bounds(rank: int, count: int) -> slice:
    """Which tokens of the vocabulary a process holds: not equally many."""
    ends = [VOCABULARY * place * place // (count * count) for place in range(count + 1)]
    return slice(ends[rank], ends[rank + 1])


def part_of(entry: Rows, held: slice, adapter: Adapter) -> Rows:
    """What one process hands over."""
    assert entry.weight is not None and entry.bias is not None
    others = {name: (other[0], other[1][held]) for name, other in entry.others.items()}
    return replace(entry, weight=entry.weight.detach()[held].clone().requires_grad_(), others=others,
                   bias=entry.bias.detach()[held].clone().requires_grad_(), adapter=adapter, shard=Shard(held.start, VOCABULARY))


def gradients_of(name: str, rank: int, count: int) -> dict[str, torch.Tensor]:
    """By what this process holds, and the reads that it knows."""
    batch, adapter = whole_batch(name)
    held = bounds(rank, count)
    down, up = (tensor.detach().clone().requires_grad_() for tensor in (adapter.down, adapter.up[held]))
    mine = Adapter(down, up, adapter.scale)
    rows = {key: part_of(entry, held, mine) for key, entry in batch.rows.items()}
    objective = CompiledObjective(compiled(name).staged, "triton", options=TritonOptions(chunk_bytes=12 * 4 * 200, least_rows=3))
    update = objective.batch(batch.layout, batch.inputs)
    objective.piece(update, objective.pieces(update, rows=1000).runs[0], rows).backward()
    found = {"loss": torch.tensor(objective.finish(update)["loss"])}
    for number, entry in enumerate(rows.values()):
        for tensor in ("hidden", "weight", "bias"):
            found[f"{tensor} {number}"] = getattr(entry, tensor).grad
    assert down.grad is not None and up.grad is not None
    return found | {"down": down.grad, "up": up.grad}


def main(rank: int, count: int, folder: Path, names: list[str]) -> None:
    """Each objective in turn."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=count)
    torch.save({name: gradients_of(name, rank, count) for name in names}, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
