"""Reads of scorers and embedders: the models that scoring loads. Never a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rldsl.graph.model import Node, Read
from rldsl.graph.spec import ModelSpec, Spec
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import Indices
from rldsl.scores.plan import Plan

if TYPE_CHECKING:
    from rldsl.rollouts.models import LoadedModel
    from rldsl.rollouts.placement import Placement
    from rldsl.rollouts.tokens import ResponseTokens

Texts = Sequence[Any]


class Models:
    """The models that the reads of a plan need, loaded once, with the weights that the spec declares."""

    def __init__(self, plan: Plan, project: Path, placement: Placement | None = None) -> None:
        self.plan = plan
        self.reads = tuple(node for node in plan.nodes if isinstance(node.operation, Read))
        self._loaded: dict[str, LoadedModel] = {}
        for node in self.reads:
            load(plan.spec, _model(node), project, self._loaded, placement)
        self.tokens_of = self._token_model()

    def _token_model(self) -> str | None:
        """The model whose tokens are those of the completions, where anything stands at tokens."""
        axis = self.plan.response.token_axis
        names = list(dict.fromkeys(_model(node) for node in self.reads if axis in node.type.axis.chain()))
        for name in names[1:]:
            if self._loaded[name].codec.digest != self._loaded[names[0]].codec.digest:
                raise ScoreError(f"`{name}` and `{names[0]}` have different tokenizers",
                                 f"both are read at the tokens of `{self.plan.response.name}`, of which there is one kind.",
                                 "read one of them at whole answers: `score(rm, y)`")
        return names[0] if names else None

    def tokens(self, model: str, prompts: Texts, texts: Texts) -> ResponseTokens:
        """Each text after its prompt, with an end token, as a model reads them. Raises `ScoreError` where it cannot."""
        from rldsl.rollouts.signatures import ModelError
        from rldsl.rollouts.tokens import tokenize_given
        for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            if not isinstance(prompt, str) or not isinstance(text, str):
                raise ScoreError(f"`{model}` has nothing to read at place {place + 1}", "its prompt or its text is absent.",
                                 "give the text another value with `else`")
        try:
            return tokenize_given(self._loaded[model], list(prompts), list(texts))
        except ModelError as fault:
            raise ScoreError(f"`{model}` cannot read the completions: {fault.message}") from fault

    def values(self, node: Node, tokens: ResponseTokens) -> Any:
        """What a read gives of all samples."""
        from rldsl.rollouts.reads import Scored, score_plain
        assert isinstance(node.operation, Read)
        return score_plain(Scored(self._loaded[node.operation.model], tokens), node.operation)


def _model(node: Node) -> str:
    assert isinstance(node.operation, Read)
    return node.operation.model


def load(spec: Spec, name: str, project: Path, loaded: dict[str, LoadedModel], placement: Placement | None = None) -> None:
    """A model and those that it is made from; without a placement on the CPU. Raises `ScoreError`."""
    if name in loaded:
        return
    from rldsl.rollouts.models import load_model
    from rldsl.rollouts.placement import CPU
    from rldsl.rollouts.signatures import ModelError
    from rldsl.train.outcome import place_of
    entry: ModelSpec = next(entry for entry in spec.models if entry.name == name)
    if entry.base is not None:
        load(spec, entry.base, project, loaded, placement)
    try:
        loaded[name] = load_model(entry, seed=0, base=None if entry.base is None else loaded[entry.base], root=project,
                                  placement=placement or CPU)
    except ModelError as fault:
        raise ScoreError(f"{place_of(spec, entry.span)}: {entry.role} `{name}`: {fault.message}") from fault


def read_all(models: Models, prompts: Texts, texts: Texts, contexts: Mapping[int, Texts]) -> tuple[dict[int, Any], Indices | None]:
    """The values of every read, by node, and how many tokens each text has if anything stands at them. `prompts`, `texts` and
    `contexts` (by the node that a read takes in place of the prompt) have one entry for each sample."""
    found: dict[int, Any] = {}
    seen: dict[tuple[str, int | None], ResponseTokens] = {}
    for node in models.reads:
        name, context = _model(node), node.inputs[0] if node.inputs else None
        if (name, context) not in seen:
            seen[name, context] = models.tokens(name, prompts if context is None else contexts[context], texts)
        found[node.key] = models.values(node, seen[name, context])
    lengths = next((tokens.lengths for (name, _), tokens in seen.items() if name == models.tokens_of), None)
    return found, None if lengths is None else np.asarray(lengths)
