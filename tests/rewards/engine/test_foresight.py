"""What may be asked, foreseen without asking: never less than what is asked then, and what is sure is asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rldsl.compiler import check_source
from rldsl.graph.model import Foreign, Node
from rldsl.loading import project_loader
from rldsl.rewards.engine.foresight import Foresight
from rldsl.rewards.outcome import Outcome
from rldsl.rewards.tiers import Tier
from rldsl.source import Source
from tests.rewards.engine.host import HEAD, Ear, Table, compiled, failure, key_of, run_of
from tests.rewards.engine.test_random_graphs import SAYS, ZERO, number

FEW, MANY = 120, 800
UNKNOWN = failure("not asked")


@dataclass
class Silent(Table):
    """A table whose judges say nothing. `met` are the texts that each node was asked about, `sure` the nodes that are asked at all
    events."""

    met: dict[int, list[str]] = field(default_factory=dict)
    sure: set[int] = field(default_factory=set)
    now: int = -1

    def before(self, node: Node, is_sure: bool) -> None:
        """The next call."""
        self.now = node.key
        self.sure |= {node.key} if is_sure else set()

    def call(self, operation: Foreign, inputs: Sequence[Any]) -> Outcome:
        """Nothing, of judges."""
        if self.tier(operation) < Tier.JUDGE:
            return Table.call(self, operation, inputs)
        self.met.setdefault(self.now, []).extend(inputs[0])
        return Outcome([None] * len(inputs[0]), dict.fromkeys(range(len(inputs[0])), UNKNOWN), 0.0, 0)


def foreseen(spec: Any, roots: Sequence[int], observed: Sequence[int], texts: Sequence[str], answers: Sequence[str],
             samples: int) -> tuple[Silent, Foresight]:
    """What a graph may ask its judges."""
    silent = Silent(SAYS)
    plain = run_of(spec, silent, texts, samples=samples, answers=answers)
    run = Foresight(plain.graph, silent, Ear(), plain.layout, plain.known, before=silent.before, has_guessed=lambda: False,
                    is_unknown=lambda outcome, place: place in outcome.failed)
    run.run(roots, observed)
    return silent, run


@pytest.mark.wide(1)
@pytest.mark.parametrize("chunk", range(4))
def test_what_is_asked_was_foreseen_and_what_was_sure_is_asked(chunk: int) -> None:
    assert sum(check(seed) for seed in range(chunk, FEW, 4)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(4))
def test_what_is_asked_was_foreseen_in_many_graphs(chunk: int) -> None:
    for seed in range(FEW + chunk, MANY, 4):
        check(seed)


def check(seed: int) -> int:
    """How many nodes of one random graph were foreseen exactly and for sure."""
    draw = random.Random(seed)
    text = f"{HEAD}let zero = {ZERO}\nlet a = {number(draw, 3)}\nlet b = {number(draw, 2)}\nlet c = a * b\n"
    spec = check_source(Source("test.rl", text), project_loader(Path()), {}).spec
    assert spec is not None
    roots, keys = ([key_of(spec, name) for name in names] for names in (draw.choice([["a"], ["a", "b"], ["c"]]), ["a", "b", "c"]))
    texts = ["".join(draw.choice("012") for _ in range(7)) for _ in range(6)]
    answers = [texts[0], texts[4]]
    silent, _ = foreseen(spec, roots, keys, texts, answers, 3)
    table, ear = Table(SAYS), Ear()
    run = run_of(spec, table, texts, samples=3, answers=answers)
    run.watcher = ear
    run.run(roots, keys)
    exact = 0
    for node in (node for node in spec.graph.nodes if isinstance(node.operation, Foreign) and run.is_outside(node.key)):
        source = run.known.get(node.inputs[0])
        if table.tier(node.operation) < Tier.JUDGE or not isinstance(source, list) or node.inputs[0] in run.asked:
            continue  # of a judge, about a text that is given
        asked = {source[place] for place in ear.places.get(node.key, ())}
        assert asked <= set(silent.met.get(node.key, ())), text
        if node.key in silent.sure:
            exact += 1
            assert asked == set(silent.met[node.key]), text
    return exact


def test_what_a_judge_is_asked_about_another_ones_text_is_counted_and_not_met() -> None:
    spec = compiled("reward total = judge(note(y.text))\n")
    silent, run = foreseen(spec, [key_of(spec, "total")], [], ["0000000", "1111111"], ["", ""], 1)
    assert [sorted(texts) for texts in silent.met.values()] == [["0000000", "1111111"]]
    assert list(run.untold.values()) == [2]


def test_a_cheap_gate_is_exact_and_a_dear_one_is_a_bound() -> None:
    """Of the first text the verdict is 0; the ruling is open."""
    texts = ["0000000", "2111111"]
    cheap = compiled("reward total = verdict(y.text) * judge(y.text)\n")
    silent, _ = foreseen(cheap, [key_of(cheap, "total")], [], texts, ["", ""], 1)
    assert list(silent.met.values()) == [["2111111"]] and len(silent.sure & silent.met.keys()) == 1
    dear = compiled("reward total = where(ruling(y.text), judge(y.text), 0)\n")
    silent, _ = foreseen(dear, [key_of(dear, "total")], [], texts, ["", ""], 1)
    assert list(silent.met.values()) == [texts, texts] and len(silent.sure) == 1
