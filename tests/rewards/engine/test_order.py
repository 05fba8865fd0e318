"""In which order calls are asked, and which at the same time."""

from __future__ import annotations

import threading

import pytest

from rldsl.graph.model import Foreign
from rldsl.rewards.engine.order import Turn, order_calls
from rldsl.rewards.tiers import Tier
from tests.rewards.engine.host import TIERS, Table, compiled, key_of, name_of, run_of


def turns(expression: str, more: str = "") -> dict[str, set[str]]:
    """What each call of a reward waits for."""
    spec = compiled(f"{more}reward total = {expression}\n")
    names = {node.key: name_of(node.operation) for node in spec.graph.nodes
             if isinstance(node.operation, Foreign) and name_of(node.operation) in TIERS}
    within = [node.key for node in spec.graph.nodes]
    found: tuple[Turn, ...] = order_calls(spec.graph, {key: TIERS[name] for key, name in names.items()},
                                          [key_of(spec, "total")], within)
    return {names[turn.key]: {names[key] for key in turn.after} for turn in found}


@pytest.mark.parametrize(("expression", "waits"), [
    ("verdict(y.text) * judge(y.text)", {"verdict": set(), "judge": {"verdict"}}),
    ("judge(y.text) * verdict(y.text)", {"verdict": set(), "judge": {"verdict"}}),
    ("verdict(y.text) + judge(y.text)", {"verdict": set(), "judge": set()}),
    ("grade(y.text) * judge(y.text)", {"judge": set(), "grade": set()}),
    ("where(ruling(y.text), 1, 0) * judge(y.text)", {"ruling": set(), "judge": {"ruling"}}),
    ("judge(y.text) * where(ruling(y.text), 1, 0)", {"ruling": set(), "judge": {"ruling"}}),
    ("where(finding(y.text) and ruling(y.text), 1, 0)", {"finding": set(), "ruling": {"finding"}}),
    ("where(ruling(y.text), verdict(y.text), 0)", {"verdict": set(), "ruling": set()}),
    ("verdict(y.text) * (0.5 + judge(y.text))", {"verdict": set(), "judge": {"verdict"}}),
    ("judge(note(y.text))", {"note": set(), "judge": {"note"}}),
    ("remark(y.text) else judge(y.text)", {"remark": set(), "judge": {"remark"}}),
    ("verdict(y.text) * judge(y.text) + judge(y.text)", {"verdict": set(), "judge": set()}),
])
def test_a_call_waits_for_what_may_close_it(expression: str, waits: dict[str, set[str]]) -> None:
    assert turns(expression) == waits


def test_calls_that_wait_for_nothing_run_at_the_same_time() -> None:
    spec = compiled("reward total = grade(y.text) + judge(y.text)\n")
    table = Table({"grade": lambda _: 0.5, "judge": lambda _: 0.25}, meets=threading.Barrier(2))
    run = run_of(spec, table, ["a"])
    run.run([key_of(spec, "total")])  # a barrier of two is never passed by one after the other
    assert run.known[key_of(spec, "total")].tolist() == [0.75]


def test_the_order_in_which_calls_end_changes_nothing() -> None:
    spec = compiled("""
let first = judge(y.text)
reward gated = where(ruling(y.text), grade(y.text), 0)
reward total = first + gated + first * where(is_missing(remark(y.text)), verdict(y.text), 0)
""")
    found = []
    for slow in ("judge", "ruling", "remark"):
        held = {name: threading.Event() for name in TIERS}

        def wait(name: str, value: object, held: dict[str, threading.Event] = held, slow: str = slow) -> object:
            others = [event for other, event in held.items() if other != slow and other in ("judge", "ruling", "remark")]
            if name == slow:
                assert all(event.wait(30) for event in others)
            held[name].set()
            return value
        table = Table({"judge": lambda text: wait("judge", float(text)), "ruling": lambda text: wait("ruling", text != "0"),
                       "remark": lambda text: wait("remark", None if text == "1" else 1),
                       "grade": lambda _: 0.5, "verdict": lambda _: 1})
        run = run_of(spec, table, ["0", "0.5", "1"])
        run.run([key_of(spec, "total")])
        found.append((run.known[key_of(spec, "total")].tolist(), table.asked["grade"], table.asked["verdict"]))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == [0.0, 1.0, 2.5]


def test_every_tier_is_dearer_than_the_one_before() -> None:
    assert sorted(Tier) == [Tier.NATIVE, Tier.PROCESS, Tier.MODEL, Tier.JUDGE]
