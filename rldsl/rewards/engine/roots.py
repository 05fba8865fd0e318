"""What is demanded although nothing acts on it: rewards that are there to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rldsl.graph.model import Graph
from rldsl.graph.order import ancestors
from rldsl.graph.spec import NamedValue


def watched_rewards(graph: Graph, acting: Iterable[int], rewards: Sequence[NamedValue]) -> tuple[int, ...]:
    """Rewards that are held out, and those that neither what acts nor another watched reward comes from. One that is merely a
    part of something is observed, not demanded."""
    held_out = {reward.key for reward in rewards if reward.held_out}
    used = ancestors(graph, held_out.union(acting))
    free = dict.fromkeys(reward.key for reward in rewards if reward.key not in used)
    inner = {key for outer in free for key in ancestors(graph, graph[outer].inputs)}
    return tuple(dict.fromkeys(reward.key for reward in rewards
                               if reward.key in held_out or (reward.key in free and reward.key not in inner)))
