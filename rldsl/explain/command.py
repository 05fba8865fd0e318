"""The `explain` command: which form of which subject. Prints; decides nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rldsl.graph.spec import Spec
from rldsl.reporting import check_path, print_failure, print_findings
from rldsl.resolve.modules import LoadFailure

if TYPE_CHECKING:
    from rldsl.explain.gpu import OnGpu

_CODE = re.compile(r"RL\d{3}", re.IGNORECASE)


def explain_subject(subject: str, overrides: Mapping[str, str], form: str, on_gpu: OnGpu | None = None) -> int:
    """A spec, a module, or the code of a finding. `on_gpu`: the text says as well what is chosen for that GPU, and predicted."""
    if on_gpu is not None and (fault := on_gpu.fault()):
        print(fault, file=sys.stderr)
        return 2
    if _CODE.fullmatch(subject):
        return _explain_code(subject.upper())
    result = check_path(subject, overrides)
    if isinstance(result, LoadFailure):
        print_failure(subject, result)
        return 1
    if result.errors or result.spec is None:
        print_findings(subject, result.errors, result.sources)
        return 1
    module = _of_module(result.spec) if form == "text" else None
    print(module or _render(result.spec, form))
    if on_gpu is not None and module is None and form == "text":
        from rldsl.explain.gpu import gpu_lines
        print("\n" + "\n".join(gpu_lines(result.spec, on_gpu)))
    return 0


def _of_module(spec: Spec) -> str | None:
    """What a module has to offer; None for a spec, which has models and says what to optimise or to reward."""
    if spec.objectives or spec.rewards or spec.models:
        return None
    from rldsl.explain.module import module_text
    return module_text(spec.source)


def _explain_code(code: str) -> int:
    from rldsl.checks import documentation
    text = documentation(code)
    if text is None:
        print(f"error: there is no finding {code}\n fix: docs/checks.md lists them all", file=sys.stderr)
        return 2
    print(text)
    return 0


def _render(spec: Spec, form: str) -> str:
    from rldsl.explain import draw, report
    match form:
        case "latex":
            return report.latex(spec)
        case "dot":
            return draw.to_dot(spec)
        case "svg":
            return draw.to_svg(spec)
        case "graph":
            return report.values(spec)
        case "json":
            return json.dumps(report.as_document(spec), indent=2, ensure_ascii=False)
        case _:
            return report.text(spec)
