"""What the kernels of a staged objective cost, in matrix products and sweeps over the logits. A model, not a measurement."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.graph.spec import Invocation, ModelSpec, Spec
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.types import Level

_SCHEDULES = {
    Level.TOKEN: "read, combine and write in one sweep of each row",
    Level.BATCH: "read all rows, combine once, write all rows; from hidden states the projection is computed twice",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """One model on one response. `gemm_passes` counts FLOPs in units of T H V (a matrix product is 2);
    `logit_passes` counts sweeps over the T x V logits; `numbers` shows FLOPs a token where H and V are known."""

    model: str
    response: str
    reads: tuple[str, ...]
    schedule: str
    gemm_passes: int
    logit_passes: int
    numbers: str


def cost_of(spec: Spec, staged: StagedObjective) -> list[Cost]:
    """The cost of every vocabulary head of an objective."""
    return [_cost(spec, staged, group) for group in staged.groups]


def _cost(spec: Spec, staged: StagedObjective, group: HeadGroup) -> Cost:
    two_passes = staged.coupling is Level.BATCH
    products = (8 if two_passes else 6) + 2 * len(group.others) * (2 if two_passes else 1)
    reads = tuple(dict.fromkeys(entry.read.kind.value for entry in group.reads))
    schedule = _SCHEDULES.get(staged.coupling, f"chunks that hold all that lies below a place of `{staged.piece_axis}`: "
                                               "read, combine, write")
    return Cost(group.model, group.response, reads, schedule, products, 3 + len(group.others),
                _numbers(spec, group.model, products))


def _numbers(spec: Spec, name: str, products: int) -> str:
    models = {entry.name: entry for entry in spec.models}
    found: ModelSpec | None = models.get(name)
    while found is not None and found.origin is None and found.base is not None:
        found = models.get(found.base)
    if found is None or not isinstance(found.origin, Invocation) or found.origin.name != "tiny":
        return ""
    tokenizer, width = found.origin.get("tokenizer"), found.origin.get("width", 96)
    if not isinstance(tokenizer, Invocation) or not isinstance(width, int) or not tokenizer.positional:
        return ""
    vocabulary = len(str(tokenizer.positional[0])) + 2
    return f" = {products * width * vocabulary:,} a token (H = {width}, V = {vocabulary})"
