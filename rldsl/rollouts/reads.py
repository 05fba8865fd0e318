"""Model reads without a gradient: log-probabilities, entropies, divergences, values and scores under present weights.

Logits are formed by chunks and dropped. Which tokens, and after which prompts, is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.graph.divergences import DIVERGENCES, row_divergence
from rldsl.graph.model import Read, ReadKind
from rldsl.kernels.dense import RowKind, dense_reads
from rldsl.kernels.device.products import project
from rldsl.rollouts.heads import capped, softcap_of
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.score import head_of, hidden_rows, scores, states, values
from rldsl.rollouts.tokens import ResponseTokens

Numbers = npt.NDArray[np.float64]

LOGITS: Final = 2**23     # formed at once, of each model
LOGITS_GPU: Final = 2**27
LEAST_TOKENS: Final = 256
MOST_TOKENS: Final = 2**14


@dataclass(frozen=True, slots=True)
class Scored:
    """A model and the tokens as it sees them."""

    model: LoadedModel
    tokens: ResponseTokens


def plain_read(seen: Scored, read: Read, samples: range, *, grad: bool) -> Tensor:
    """What a model gives as it is, without a vocabulary: a critic's values, a scorer's scores, hidden states [tokens, H]."""
    if read.kind is ReadKind.VALUE:
        return values(seen.model, seen.tokens, samples, grad=grad)
    if read.kind is ReadKind.HIDDEN:
        return states(seen.model, seen.tokens, samples, grad=grad)
    assert read.kind is ReadKind.SCORE
    return scores(seen.model, seen.tokens, samples, per_token=read.tokens is None, grad=grad)


def score_plain(seen: Scored, read: Read) -> Numbers:
    """The same of all samples."""
    return _as_numbers([plain_read(seen, read, run, grad=False) for run in _runs(seen.tokens, MOST_TOKENS)])


def score_reads(seen: Scored, others: Mapping[str, Scored], reads: Sequence[Read]) -> list[Numbers]:
    """Reads of the vocabulary distribution of one model at one temperature, one number a token for each read; all or none
    within what the sampler could draw."""
    (temperature, within), = {(read.temperature, read.within) for read in reads}
    support = seen.tokens.support if within else None
    names = list(others)
    kinds = [_row_kind(read, names) for read in reads]
    budget = max(LEAST_TOKENS, min(MOST_TOKENS, _logits_at_once(seen.model) // head_of(seen.model)[0].shape[0]))
    parts: list[list[Tensor]] = [[] for _ in reads]
    for run in _runs(seen.tokens, budget):
        logits, targets = _logits(seen, run)
        beside = [_logits(others[name], run)[0] for name in names]
        if support is not None:
            inside = support[int(seen.tokens.offsets[run.start]):int(seen.tokens.offsets[run.stop])]
            logits, beside = inside.restricted(logits), [inside.restricted(other) for other in beside]
        for part, found in zip(parts, dense_reads(logits, beside, targets, temperature, kinds), strict=True):
            part.append(found)
    return [_as_numbers(part) for part in parts]


def _row_kind(read: Read, others: Sequence[str]) -> RowKind:
    if read.kind not in DIVERGENCES:
        return read.kind.value, None, None
    kind, parameter = row_divergence(read.kind, read.parameter, of_second=False)
    return kind, others.index(str(read.other)), parameter


def _logits_at_once(model: LoadedModel) -> int:
    return LOGITS_GPU if model.device.type == "cuda" else LOGITS


@torch.no_grad()
def _logits(seen: Scored, run: range) -> tuple[Tensor, Tensor]:
    rows = hidden_rows(seen.model, seen.tokens, run, grad=False)
    weight, bias = head_of(seen.model)
    if rows.hidden.is_cuda and weight.dtype is not torch.float32:  # tensor cores, summed and kept in float32
        logits = torch.empty((len(rows.hidden), len(weight)), device=weight.device)
        project(logits, rows.hidden, weight.detach(), None if bias is None else bias.detach())
    else:
        logits = torch.nn.functional.linear(rows.hidden.float(), weight.detach().float(),
                                            None if bias is None else bias.detach().float())
    return capped(logits, softcap_of(seen.model.policy_module)), rows.targets


def _runs(tokens: ResponseTokens, budget: int) -> Iterator[range]:
    """Runs of samples of at most `budget` tokens, at least one sample each."""
    start = 0
    while start < tokens.samples:
        stop = int(np.searchsorted(tokens.offsets, tokens.offsets[start] + budget, side="right")) - 1
        stop = min(max(stop, start + 1), tokens.samples)
        yield range(start, stop)
        start = stop


def _as_numbers(parts: Sequence[Tensor]) -> Numbers:
    if not parts:
        return np.zeros(0)
    found: Numbers = torch.cat([part.double() for part in parts]).cpu().numpy()
    return found
