"""What: a reward that is held out reaches an objective, by its name or because a trained reward has the same part.

Why: a held-out reward is there to be compared with: what is optimised must not move it by itself. Once it is trained on, its drift
says nothing (`watch/NAME/drift`).

Example: `reward honest held out = verify.math(y.text, problems.answer)` and `maximize mean(honest * logp(actor, y))`

Instead: train on other rewards, or drop `held out`.

When this is wrong: never; a plain measure of the answer, such as `y.length`, is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Foreign, Node, Read
from rldsl.graph.spec import NamedValue

CHECK = Check("RL607", "held-out-trained", Severity.ERROR, "a held-out reward is trained on")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Held-out rewards below a term of an objective, also through a state that the objective reads."""
    held_out = [reward for reward in facts.spec.rewards if reward.held_out and reward.key in facts.have_below(_judges)]
    for reward in held_out:
        found = next((term for _, term in facts.terms() if reward.key in _below(facts, term.key)), None)
        if found is None:
            continue
        trained = (other for other in facts.spec.rewards if not other.held_out)
        same = next((other for other in trained if reward.key in facts.ancestors(other.key)), None)
        yield _finding(reward, [Label(found.span, "this term is trained")], same)


def _finding(reward: NamedValue, others: list[Label], same: NamedValue | None) -> Diagnostic:
    through = f" through `{same.name}`" if same is not None else ""
    return error("RL607", f"`{reward.name[:30]}` is held out, and trained on", reward.span, "held out here",
                 others=others if same is None else [*others, Label(same.span, "this reward is made of it")],
                 why=f"it reaches an objective{through}, so nothing is left to compare with.",
                 fix="train on other rewards, or drop `held out`")


def _judges(node: Node) -> bool:
    return isinstance(node.operation, Foreign | Read)


def _below(facts: Facts, key: int) -> frozenset[int]:
    """Everything that a term needs, and that the states that it reads are made of."""
    found = facts.ancestors(key)
    states = {state.key: state.next for state in facts.spec.states if state.next is not None}
    waiting = [entry for own, entry in states.items() if own in found]
    while waiting:
        fresh = facts.ancestors(waiting.pop()) - found
        found |= fresh
        waiting += [entry for own, entry in states.items() if own in fresh]
    return found
