"""How many tokens a completion has: as the file says, or by the policy's tokenizer. Loads no weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rldsl.graph.spec import ModelSpec
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import Indices
from rldsl.scores.plan import Plan
from rldsl.scores.reading import Completion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rldsl.rollouts.tokenizers import Codec


class Lengths:
    """Tokens of completions, the end token counted, as `y.length` counts them."""

    def __init__(self, plan: Plan, project: Path, model: str | None = None) -> None:
        """`model`: by whose tokenizer, whatever the file says; by default by the policy's where the file says nothing."""
        self.plan, self.project, self.model = plan, project, model
        self._codec: Codec | None = None

    def of(self, completions: Sequence[Completion]) -> Indices:
        """One number for each. Raises `ScoreError` where the tokenizer cannot be had, or cannot read a text."""
        if self.model is None and all(completion.length is not None for completion in completions):
            return np.array([completion.length for completion in completions], np.int64)
        from rldsl.rollouts.signatures import ModelError
        try:
            ids = self._tokenizer().encode([completion.text for completion in completions], start=False)
        except ModelError as fault:
            word = f"{self.plan.response.name}.length"
            raise ScoreError(f"the tokens of the completions cannot be counted: {fault.message}",
                             f"a scored value reads `{word}`.", f"`--map {word}=COLUMN`") from fault
        return np.array([len(found) + 1 for found in ids], np.int64)

    def _tokenizer(self) -> Codec:
        from rldsl.rollouts.tokenizers import Codec
        if self._codec is None:
            self._codec = Codec.of(_tokenizer_of(self._policy(), self.project))
        return self._codec

    def _policy(self) -> ModelSpec:
        models = {entry.name: entry for entry in self.plan.spec.models}
        found = models[self.plan.response.model if self.model is None else self.model]
        while found.origin is None and found.base is not None:
            found = models[found.base]
        return found


def _tokenizer_of(model: ModelSpec, project: Path) -> PreTrainedTokenizerBase:
    from rldsl.rollouts.folders import find_folder, load_tokenizer
    from rldsl.rollouts.signatures import HF_ARGUMENTS, TINY_ARGUMENTS, ModelError, arguments_of, checked
    from rldsl.rollouts.tokenizers import tokenizer_from
    if model.origin is not None and model.origin.name == "tiny":
        return tokenizer_from(checked(arguments_of(model.origin, TINY_ARGUMENTS), TINY_ARGUMENTS, "tiny")["tokenizer"])
    if model.origin is not None and model.origin.name == "hf":
        given = checked(arguments_of(model.origin, HF_ARGUMENTS), HF_ARGUMENTS, "hf")
        return load_tokenizer(find_folder(given["folder"], project))
    raise ModelError(f"`{model.name}` has no tokenizer on this machine")
