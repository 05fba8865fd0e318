"""What a check is: a record, a page of documentation (its module's docstring), and a function over the facts of a spec."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.diagnostics import Severity


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is the short word of the design; `summary` one line for tables. `decided` says which stage finds it:
    `check` (the module's own `run`), or `elaborate` where the graph could not even be built."""

    code: str
    name: str
    severity: Severity
    summary: str
    decided: str = "check"
