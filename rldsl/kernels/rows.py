"""Vocabulary rows as a caller hands them over, checked. Computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from rldsl.kernels.adapter import Adapter, Shard
from rldsl.kernels.supports import Support

Other: TypeAlias = "Tensor | tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor | None]"
SHARDED = ("{} needs the whole vocabulary, and these rows hold a shard of it: gather the projection, or compile with "
           "`backend=\"triton\"`")


@dataclass(frozen=True, slots=True)
class Rows:
    """The vocabulary rows of the tokens of one response, packed: hidden states and their projection, or logits.

    `targets` [T] are the tokens that stand there. `hidden` [N, H] with `weight` [V, H] and `bias` [V], or `logits`
    [N, V], are what the policy computed *before* each token. N is T, or else `places` [T] says which row each token is
    scored at (no row twice); the other rows have no gradient. `others` are the rows of other policies at the same
    places: logits, or `(hidden, weight)`, or `(hidden, weight, bias)`. Gradients are formed for what requires one. `support`
    are the tokens, one set for each of the T, that all these distributions are restricted to: what a draw was restricted to.

    `adapter` is added to the projection of the hidden states, not to those of others. `softcap`: all these logits, those of
    others too, go through `softcap * tanh(x / softcap)` before anything is read. `shard`: the projections at hand hold a part of
    the vocabulary; `targets` count over the whole.
    """

    targets: Tensor
    hidden: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    logits: Tensor | None = None
    places: Tensor | None = None
    others: Mapping[str, Other] = field(default_factory=dict)
    support: Support | None = None
    adapter: Adapter | None = None
    softcap: float | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if (self.logits is None) == (self.hidden is None) or (self.hidden is None) != (self.weight is None):
            raise ValueError("rows are given as `logits`, or as `hidden` and `weight`")
        if self.targets.ndim != 1 or self.targets.dtype is not torch.int64:
            raise ValueError(f"targets are one int64 a token, not {self.targets.dtype} {tuple(self.targets.shape)}")
        given = self.given
        if given.ndim != 2 or not given.is_floating_point():
            raise ValueError(f"one row of floats a token is expected, not {given.dtype} {tuple(given.shape)}")
        count = len(self.targets if self.places is None else self.places)
        if count != len(self.targets) or (self.places is None and count != len(given)):
            raise ValueError(f"{len(self.targets)} targets, but {len(given) if self.places is None else count} rows")
        self._check_projection()
        _check_range("targets", self.targets, self.vocabulary)
        if self.places is not None:
            _check_range("places", self.places, len(given))
        if self.support is not None:
            _check_support(self.support, len(self.targets), self.vocabulary)

    def _check_projection(self) -> None:
        if self.softcap is not None and not 0 < self.softcap < math.inf:
            raise ValueError(f"a soft cap is a positive number, not {self.softcap}")
        if self.weight is None:
            if self.adapter is not None:
                raise ValueError("an adapter changes a projection, and these rows are logits: leave it out, they contain it")
        elif self.adapter is not None:
            self.adapter.check(self.weight)
        if self.shard is not None:
            self.shard.check(self.held)

    def __getitem__(self, tokens: slice) -> Rows:
        """The rows of some of the tokens, as a micro-batch needs them."""
        support = None if self.support is None else self.support[tokens]
        if self.places is not None:
            return replace(self, targets=self.targets[tokens], places=self.places[tokens], support=support)
        others = {name: other[tokens] if isinstance(other, Tensor) else (other[0][tokens], *other[1:])
                  for name, other in self.others.items()}
        return replace(self, targets=self.targets[tokens], others=others, support=support,
                       hidden=None if self.hidden is None else self.hidden[tokens],
                       logits=None if self.logits is None else self.logits[tokens])

    def detached(self) -> Rows:
        """The same, none of which requires a gradient."""
        return replace(self, hidden=_detached(self.hidden), weight=_detached(self.weight), bias=_detached(self.bias),
                       logits=_detached(self.logits), adapter=None if self.adapter is None else self.adapter.detached())

    @property
    def given(self) -> Tensor:
        """Logits or hidden states."""
        given = self.logits if self.hidden is None else self.hidden
        assert given is not None
        return given

    @property
    def policy(self) -> Other:
        """As rows of another policy are given."""
        if self.hidden is None or self.weight is None:
            return self.given
        return self.hidden, self.weight, self.bias

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.held if self.shard is None else self.shard.size

    @property
    def held(self) -> int:
        """Of how many of them this process holds the logits."""
        return (self.given if self.weight is None else self.weight).shape[1 if self.weight is None else 0]


def _detached(given: Tensor | None) -> Tensor | None:
    return None if given is None else given.detach()


def _check_support(support: Support, tokens: int, vocabulary: int) -> None:
    if len(support) != tokens:
        raise ValueError(f"{tokens} targets, but the support of {len(support)}")
    if len(support.ids) and not (int(support.ids.min()) >= 0 and int(support.ids.max()) < vocabulary):
        raise ValueError(f"tokens of a support lie in 0 .. {vocabulary - 1}, not in "
                         f"{int(support.ids.min())} .. {int(support.ids.max())}")


def _check_range(name: str, values: Tensor, size: int) -> None:
    """On a device nobody waits for the answer here: its back end looks when the update batch is finished."""
    if values.device.type != "cpu":
        return
    if len(values) and not (int(values.min()) >= 0 and int(values.max()) < size):
        raise ValueError(f"{name} lie in 0 .. {size - 1}, not in {int(values.min())} .. {int(values.max())}")
