"""The comparison of two specs: which declarations are partners, what differs in what they optimise, what differs beside it."""

from __future__ import annotations

from dataclasses import replace

from rldsl.canonical.naming import Names
from rldsl.difference.correspondence import Correspondence, definitions_first, names_first
from rldsl.difference.functions import function_differences
from rldsl.difference.later import written_differences, written_items
from rldsl.difference.model import Difference
from rldsl.difference.objectives import objective_differences
from rldsl.difference.rubrics import rubric_differences, rubric_partners
from rldsl.difference.settings import setting_differences
from rldsl.difference.side import Side
from rldsl.difference.values import share_names, value_differences
from rldsl.graph.spec import Spec


def compare_specs(before: Spec, after: Spec) -> Difference:
    """Everything in which `after` differs from `before`. Names of declarations make no difference, however they were given."""
    first = names_first(before, after)
    found = _compared(before, after, first)
    if found.is_same_mathematics and not found.settings:
        return found
    second = definitions_first(before, after)
    if second == first:
        return found
    other = _compared(before, after, second)
    return other if _size(other) < _size(found) else found


def _size(difference: Difference) -> tuple[int, int]:
    parts = [*difference.values, *(part for objective in difference.objectives for part in objective.parts)]
    mathematics = len(parts) + sum(len(part.changes) for part in parts) + len(difference.objectives)
    return mathematics, len(difference.settings)


def _compared(before: Spec, after: Spec, correspondence: Correspondence) -> Difference:
    written = written_items(before), written_items(after)
    names = replace(correspondence.names, externs={**correspondence.externs, **rubric_partners(before, after)})
    sides = Side(before, Names()), Side(after, names)
    share_names(*sides)
    values, beside = value_differences(*sides, correspondence)
    return Difference(before.source.name, after.source.name, objective_differences(*sides, correspondence),
                      (*values, *rubric_differences(*sides), *function_differences(before, after)),
                      (*beside, *setting_differences(*sides, correspondence),
                       *written_differences(*written, correspondence.responses)))
