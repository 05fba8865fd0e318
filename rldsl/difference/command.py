"""The `diff` command: reads two specs, prints in what they differ. 0 the same mathematics, 1 they differ, 2 a spec or the command
is at fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rldsl.compiler import CheckResult
from rldsl.diagnostics.to_json import diagnostics_to_json
from rldsl.difference.compare import compare_specs
from rldsl.difference.report import as_document, text
from rldsl.graph.spec import Spec
from rldsl.reporting import check_path, print_failure, print_findings
from rldsl.resolve.modules import LoadFailure

SAME, DIFFERENT, AT_FAULT = 0, 1, 2


def diff_files(before: Path | str, after: Path | str, overrides: Mapping[str, str], *, as_json: bool) -> int:
    """Compare two specs; what is wrong with either is said first, and of specs that are wrong nothing else."""
    if str(before) == str(after) == "-":
        print("error: both specs are read from the standard input\n why: it can be read once.\n fix: name one of the files",
              file=sys.stderr)
        return AT_FAULT
    results = [check_path(path, overrides) for path in (before, after)]
    specs = [spec for result in results if (spec := _well_formed(result)) is not None]
    if len(specs) < len(results):
        _print_faults((before, after), results, as_json)
        return AT_FAULT
    difference = compare_specs(*specs)
    if as_json:
        print(json.dumps(as_document(difference), indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(text(difference))
    return SAME if difference.is_same_mathematics else DIFFERENT


def _well_formed(result: CheckResult | LoadFailure) -> Spec | None:
    return None if isinstance(result, LoadFailure) or result.errors else result.spec


def _print_faults(paths: tuple[Path | str, Path | str], results: list[CheckResult | LoadFailure], as_json: bool) -> None:
    documents: list[dict[str, object]] = []
    for path, result in zip(paths, results, strict=True):
        match result:
            case LoadFailure():
                documents.append({"file": str(path), "unreadable": result.title, "why": result.why, "fix": result.fix})
                if not as_json:
                    print_failure(path, result)
            case _ if _well_formed(result) is None:
                documents.append({"file": str(path), "diagnostics": diagnostics_to_json(result.errors, result.sources)})
                if not as_json:
                    print_findings(path, result.errors, result.sources)
            case _:
                pass
    if as_json:
        print(json.dumps({"faults": documents}, indent=2, ensure_ascii=False))
