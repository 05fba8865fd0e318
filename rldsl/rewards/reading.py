"""Reads of scorers and embedders over texts that nobody sampled here: the reward graph alone has no tokens of a policy.

A text is tokenised by the model that reads it, after its prompt in that model's own form, with the model's end token where the text
ended. It is then read as in a run: `score(rm, y)` at the last token, `hidden(enc, y)` at each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Node, Read, ReadKind
from rldsl.graph.spec import Spec
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.models import load_named
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.prompts import check_fits, encode_prompts
from rldsl.rollouts.reads import Scored, score_plain
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokens import Longs, ResponseTokens, Truths, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Answers in groups: `counts[p]` of them to each prompt `p`, in order; `finished` says which ended by themselves."""

    texts: Sequence[str]
    counts: Longs
    finished: Truths


class TextReads:
    """The reads among some nodes of a spec, with the models that they need. Raises `ModelError` where one cannot be loaded."""

    def __init__(self, spec: Spec, keys: Iterable[int], project: Path, seed: int = 0) -> None:
        self.nodes = reads_among(spec, keys)
        self._prompts = {entry.name: entry.prompt for entry in spec.responses}
        names = {node.operation.model for node in self.nodes if isinstance(node.operation, Read)}
        self._models: Mapping[str, LoadedModel] = load_named(spec, sorted(names), project, seed)

    def fill(self, run: HostRun, answers: Texts) -> None:
        """Put the values of all reads into `run.known`; the prompts that they need are computed first."""
        for node in self.nodes:
            read = node.operation
            assert isinstance(read, Read)
            key = node.inputs[0] if node.inputs else self._prompts[read.response]
            run.run([key])
            prompts = [str(prompt) for prompt in run.known[key]]
            counts = np.ones(len(answers.texts), np.int64) if node.inputs else answers.counts
            model, seen = self._models[read.model], Texts(answers.texts, counts, answers.finished)
            run.known[node.key] = score_plain(Scored(model, tokens_of(model, prompts, seen)), read)


def reads_among(spec: Spec, keys: Iterable[int]) -> tuple[Node, ...]:
    """The model reads among some nodes. All have to be of scorers, or hidden states."""
    found = tuple(node for node in (spec.graph[key] for key in sorted(keys)) if isinstance(node.operation, Read))
    if any(not is_of_texts(node) for node in found):
        raise InternalError("a read that needs a policy's tokens was to be made of texts")
    return found


def is_of_texts(node: Node) -> bool:
    """Whether a read can be made of texts: a score of a whole answer, or hidden states."""
    read = node.operation
    return isinstance(read, Read) and ((read.kind is ReadKind.SCORE and read.tokens is not None) or read.kind is ReadKind.HIDDEN)


def tokens_of(model: LoadedModel, prompts: Sequence[str], answers: Texts) -> ResponseTokens:
    """Texts as tokens of the model that reads them, after the prompts as it sees them."""
    prompt_ids = encode_prompts(model, prompts)
    end = np.array(model.ends[:1], dtype=np.int64)
    bodies = model.codec.encode(answers.texts, start=False)
    ids = [np.concatenate([body, end]) if has_end else body.astype(np.int64)
           for body, has_end in zip(bodies, answers.finished, strict=True)]
    lengths = np.array([len(part) for part in ids], dtype=np.int64)
    if (lengths == 0).any():
        raise ModelError(f"answer {int(np.argmin(lengths)) + 1} has no text and no end, so `{model.name}` has nothing to read")
    longest = np.zeros(len(prompt_ids), np.int64)
    np.maximum.at(longest, np.repeat(np.arange(len(prompt_ids)), answers.counts), lengths)
    check_fits(model, prompt_ids, longest.tolist())
    return ResponseTokens(prompt_ids, answers.counts, np.concatenate([np.zeros(0, np.int64), *ids]), offsets_of(lengths), None,
                          answers.finished, tuple(answers.texts), model.codec.digest)
