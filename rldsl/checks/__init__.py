"""What a spec can get wrong beyond its types: one file a check, run over the elaborated spec.

A module `rlNNN_name.py` holds `CHECK`, a docstring with the headings *What, Why, Example, Instead, When this is wrong*,
and `run(facts)`. Modules are found by their names; nothing is registered by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rldsl.checks.facts import Facts
from rldsl.checks.structure import page_of
from rldsl.diagnostics import Diagnostic
from rldsl.graph.spec import Spec


@cache
def modules() -> tuple[ModuleType, ...]:
    """All checks, in the order of their codes."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("rl[0-9][0-9][0-9]_*.py"))
    return tuple(import_module(f"rldsl.checks.{name}") for name in names)


def run_checks(spec: Spec) -> tuple[Diagnostic, ...]:
    """Every finding of every check."""
    facts = Facts(spec)
    return tuple(finding for module in modules() for finding in findings(module, facts))


def findings(module: ModuleType, facts: Facts) -> Iterator[Diagnostic]:
    """What one check finds; checks that elaboration decides find nothing here."""
    if module.CHECK.decided == "check":
        yield from module.run(facts)


def documentation(code: str) -> str | None:
    """The page of a code, for `rldsl explain RL301`; None for an unknown one."""
    for module in modules():
        if module.CHECK.code == code:
            check = module.CHECK
            return f"{check.code} {check.name} ({check.severity.value}): {check.summary}\n\n{(module.__doc__ or '').strip()}"
    return page_of(code)
