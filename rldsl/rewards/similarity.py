"""The service behind `similarity(enc, a, b)`: cosines of the vectors of texts. Equal texts of a call are computed once.

Vectors are not kept from one call to the next: in another batch the last bits of a vector may be others, and a run that was
stopped and goes on would not be the same run.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.run import Answers
from rldsl.rewards.signatures import Result
from rldsl.rewards.tiers import Tier
from rldsl.rollouts.encode import TooLong, encode_texts
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError
from rldsl.types import Element, Interval

Vector: TypeAlias = "Tensor | Failure"


class Similarity:
    """Answers `similarity:ENCODER`. `model` gives an embedder by its name; it is read with the weights that it has then."""

    tier = Tier.MODEL

    def __init__(self, model: Callable[[str], LoadedModel]) -> None:
        self._model = model
        self._lock = threading.Lock()

    def result(self, operation: Foreign) -> Result:
        """A cosine."""
        return Result(Element.REAL, Interval(-1.0, 1.0))

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """One cosine for each pair of texts; a text without a token is like no other, itself included (0)."""
        first, second = columns
        texts = list(dict.fromkeys([*first, *second]))
        with self._lock:
            vectors = self._units(operation.name.partition(":")[2], texts) if texts else {}
        failed = {text: vector for text, vector in vectors.items() if isinstance(vector, Failure)}
        pairs = [(a, b) for a, b in zip(first, second, strict=True) if a not in failed and b not in failed]
        cosines = iter(_cosines([vectors[a] for a, _ in pairs], [vectors[b] for _, b in pairs]))
        return Answers([failed.get(a) or failed.get(b) or next(cosines) for a, b in zip(first, second, strict=True)],
                       computed=len(texts))

    def identity(self, operation: Foreign) -> Any:
        """What a cosine follows from beside its texts: the weights as they are now, the tokenizer, how a text becomes a vector."""
        try:
            model = self._model(operation.name.partition(":")[2])
        except ModelError:
            return None
        with self._lock:
            weights = digest_of(model.module.state_dict())
        return [weights, model.codec.digest, model.pooling, model.cut, model.system, model.chat]

    def _units(self, name: str, texts: Sequence[str]) -> dict[str, Vector]:
        try:
            return _units(self._model(name), texts)
        except ModelError as fault:  # it cannot be loaded
            return dict.fromkeys(texts, Failure(FailureKind.SETUP, f"embedder `{name}`: {fault.message}"))


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by name, every bit of them."""
    found = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _units(model: LoadedModel, texts: Sequence[str]) -> dict[str, Vector]:
    vectors, refused = encode_texts(model, texts)
    units = torch.nn.functional.normalize(vectors.cpu(), dim=1)
    found: dict[str, Vector] = {text: units[place] for place, text in enumerate(texts)}
    return found | {texts[place]: Failure(FailureKind.LIMIT if isinstance(fault, TooLong) else FailureKind.EXCEPTION, fault.message)
                    for place, fault in refused.items()}


def _cosines(first: Sequence[Vector], second: Sequence[Vector]) -> list[float]:
    ones, others = ([vector for vector in side if isinstance(vector, Tensor)] for side in (first, second))
    if not ones:
        return []
    found: list[float] = (torch.stack(ones) * torch.stack(others)).double().sum(1).clamp(-1.0, 1.0).tolist()
    return found
