"""Modules of functions under comparison: what has no objective and no reward is compared by what its functions mean."""

from __future__ import annotations

from rldsl.canonical.definitions import Definition
from rldsl.canonical.uses import own_functions
from rldsl.difference.model import Change, PartDifference, Status
from rldsl.graph.spec import Spec
from rldsl.syntax import tree


def function_differences(before: Spec, after: Spec) -> tuple[PartDifference, ...]:
    """Functions by their names and hashes; none where either spec optimises or rewards something, which has them in it."""
    if any(spec.objectives or spec.rewards for spec in (before, after)):
        return ()
    left, right = own_functions(before), own_functions(after)
    found = []
    for name in dict.fromkeys([*left, *right]):
        hashes = [None if name not in side else side[name][1].short for side in (left, right)]
        if hashes[0] is None or hashes[1] is None:
            status = Status.ADDED if hashes[0] is None else Status.REMOVED
            found.append(PartDifference("fn", name, status, (Change("", *hashes),)))
        elif not _is_same(left[name], right[name]):
            found.append(PartDifference("fn", name, Status.CHANGED, (Change("means something else", *hashes),)))
    return tuple(found)


def _is_same(first: tuple[tree.Function, Definition], second: tuple[tree.Function, Definition]) -> bool:
    """By what they mean; what has no hash is compared as it is written."""
    digests = first[1].digest, second[1].digest
    return first[0] == second[0] if digests == (None, None) else digests[0] == digests[1]
