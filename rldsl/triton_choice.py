"""Which tile and how long a chunk: what was given, else what was measured on this device, else what the model of it predicts.

Measures nothing itself. A choice holds for a vocabulary and its dtypes, whatever the number of tokens: another tile would
be another kernel to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version

import torch

from rldsl.graph.staged import StagedObjective
from rldsl.kernels.device.chunks import Tile as Shape
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.rows import Rows
from rldsl.plan.chunks import TYPICAL_TOKENS
from rldsl.plan.machines import Machine, machine_for, machine_named
from rldsl.plan.search import Situation, kept_tile
from rldsl.plan.spills import unspilled
from rldsl.plan.tiles import Tile, explained, ranked
from rldsl.plan.work import Sizes, planned_work
from rldsl.triton_module import TritonOptions

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The tile of the row kernels of a group, and how many bytes of buffers a chunk of its rows takes (None: logits are given),
    with the logits of `block_rows` rows at a time, where nothing couples tokens (None: of all)."""

    tile: Shape
    chunk_bytes: int | None
    why: tuple[str, ...]
    block_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a choice depends on: `logits` and `gradient` are the dtypes that kernels read and write. `apart`: by two kernels."""

    group: int
    vocabulary: int
    hidden: int | None
    logits: torch.dtype
    gradient: torch.dtype
    frozen: bool
    sharded: bool = False
    apart: bool = False

    @staticmethod
    def of(group: int, rows: Rows, exact: bool, apart: bool = False) -> Question:
        """Of the rows of a group. Processes that hold parts of a vocabulary, of whatever sizes, ask the same."""
        partners = Partners.of(rows.shard)
        held = rows.held if partners is None else -(-rows.vocabulary // partners.count)
        if rows.hidden is None or rows.weight is None:
            return Question(group, held, None, rows.given.dtype, rows.given.dtype, False, partners is not None, apart)
        gradient = torch.float32 if rows.weight.dtype is torch.float16 else rows.weight.dtype
        logits = torch.float32 if exact else rows.weight.dtype
        return Question(group, held, rows.hidden.shape[1], logits, gradient, not rows.weight.requires_grad, partners is not None,
                        apart)


Spilled = Callable[[Question, Tile], int | None]  # bytes of a thread, once compiled; None where a tile does not run


def choose(staged: StagedObjective, digest: str, question: Question, device: torch.device, options: TritonOptions,
           spilled: Spilled) -> Choice:
    """For one group. `digest` is that of the text of the emitted module. `spilled` is asked where nobody measured."""
    if device.type != "cuda":
        return Choice(options.tile or plain_tile(question.vocabulary), options.chunk_bytes, ("interpreted",), options.block_rows)
    machine, sizes = machine_of(device), sizes_of(question)
    work, chunk = planned_work(staged, staged.groups[question.group], sizes, machine, budget=options.chunk_bytes)
    size = options.chunk_bytes if options.chunk_bytes is not None or chunk is None else chunk.size
    block = options.block_rows if options.block_rows is not None or chunk is None else chunk.block
    why = () if chunk is None else chunk.why
    if options.tile is not None:
        return Choice(options.tile, size, ("the tile is given", *why), block)
    situation = situation_of(digest, question, device)
    if measured := kept_tile(situation):
        return Choice(measured.shape, size, (*measured.why, *why), block)
    asked = replace(situation, kernels=f"{situation.kernels} apart") if question.apart else situation
    taken = unspilled(asked, [tile for _, tile in ranked(work, machine, TYPICAL_TOKENS)],
                      lambda tile: spilled(question, tile))
    tile = explained(work, Tile(*taken.shape), machine, TYPICAL_TOKENS)
    return Choice(taken.shape, size, (*tile.why, *taken.why, *why), block)


def situation_of(digest: str, question: Question, device: torch.device) -> Situation:
    """What a measured tile belongs to."""
    kernels = f"{digest} {question.group}{' sharded' if question.sharded else ''}"
    return Situation(torch.cuda.get_device_name(device), kernels, question.vocabulary,
                     (NAMES[question.logits], NAMES[question.gradient]), (f"triton {version('triton')}",))


def machine_of(device: torch.device) -> Machine:
    """The limits of a device: of its name, else of the one with its architecture."""
    named = machine_named(torch.cuda.get_device_name(device))
    if named is not None:
        return named
    major, _ = torch.cuda.get_device_capability(device)
    return machine_for("sm_80" if major < 9 else "sm_90" if major < 10 else "sm_100")


def sizes_of(question: Question) -> Sizes:
    """What is predicted for it."""
    width = question.logits.itemsize if question.hidden is None else question.gradient.itemsize
    return Sizes(TYPICAL_TOKENS, question.vocabulary, question.hidden, width, question.frozen, question.logits.itemsize,
                 question.apart or question.sharded)


def plain_tile(vocabulary: int) -> Shape:
    """Where nothing is known of the device: sixteen columns a thread, as the model mostly says too. The interpreter takes as long
    for each step, however long it is."""
    block = min(4096, max(128, 1 << (vocabulary - 1).bit_length()))
    return block, max(1, block // 512), 1
