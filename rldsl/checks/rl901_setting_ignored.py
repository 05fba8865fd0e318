"""What: a setting that has no effect beside the others, or a parameter that nothing uses.

Why: it looks as if it did something.

Example: `{ greedy: true, temperature: 0.7 }`, an unused `param`

Instead: delete it, or use it.

When this is wrong: never; unknown settings are errors of their own (RL017).
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.spec import Settings
from rldsl.source import Span

CHECK = Check("RL901", "setting-ignored", Severity.WARNING, "a setting or declaration that nothing reads")

DRAWING = ("temperature", "top_p", "top_k", "seed")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Sampling settings beside `greedy`, and parameters that neither a value nor a setting uses."""
    blocks: list[tuple[Settings, Span]] = [(entry.settings, entry.span) for entry in facts.spec.responses]
    blocks += [(entry.settings, entry.span) for entry in facts.spec.evals]
    for settings, span in blocks:
        found = dict(settings)
        if found.get("greedy") is True:
            for name in DRAWING:
                if name in found:
                    yield _ignored(name, span, "`greedy: true` takes the likeliest token; nothing is drawn")
    for name in facts.unused_params():
        yield _ignored(name, facts.params[name].span, "no value and no setting depends on it")


def _ignored(name: str, span: Span, why: str) -> Diagnostic:
    return warning("RL901", f"nothing uses `{name[:30]}`", span, f"`{name}` has no effect here"[:40], why=f"{why}.",
                   fix="delete it")
