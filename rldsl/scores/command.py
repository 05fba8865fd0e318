"""The `score` command: arguments in, tables or JSON out. Exit codes are those of the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rldsl.data.errors import DataErrors
from rldsl.graph.spec import Spec
from rldsl.reporting import counted, folder_of
from rldsl.rewards.judging.forecast import Estimate
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.telling import short_lines, whole_lines
from rldsl.rewards.kept_calls import Renewed
from rldsl.scores.faults import ScoreError
from rldsl.scores.reading import STEP_SEPARATOR, Given
from rldsl.scores.report import ScoreReport
from rldsl.scores.session import Request, estimate_spec, score_and_ask
from rldsl.scores.what_if import parse_what_if
from rldsl.scores.writing import write_jsonl
from rldsl.train.durable import StorageError

FAULT, USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of the command as they were written."""

    spec: Path
    completions: Path
    out: Path | None = None
    maps: Sequence[str] = ()
    group: str | None = None
    limit: int | None = None
    rollout: str | None = None
    steps: str = STEP_SEPARATOR
    sets: dict[str, str] = field(default_factory=dict)
    resume: bool = False
    replace: bool = False
    as_json: bool = False
    quiet: bool = False
    what_ifs: Sequence[str] = ()
    against: Path | None = None
    ask_all: bool = False
    is_fresh: bool = False
    jsonl: bool = False
    dry_run: bool = False
    device: str | None = None


def score_file(asked: Asked) -> int:
    """Score and print. 0 fine, 1 the spec, the file or `else stop`, 2 a bad command, 130 interrupted."""
    try:
        return _score(asked)
    except (ScoreError, StorageError, DataErrors) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return fault.exit_status if isinstance(fault, ScoreError) else FAULT
    except KeyboardInterrupt:
        without = ", without --replace," if asked.replace else ""
        print(f"interrupted: what was scored is kept; the same command with --resume{without} goes on", file=sys.stderr)
        return INTERRUPTED


def _score(asked: Asked) -> int:
    from rldsl.scores.printing import print_answers, print_comparisons, print_report
    if asked.resume and asked.replace:
        raise ScoreError("`--resume` and `--replace` together", "one goes on with what is in the folder, the other forgets it.",
                         "`--resume` alone after an interruption", USAGE)
    spec = _spec(asked, asked.spec, asked.sets)
    if spec is None:
        return FAULT
    given = Given(asked.completions, written_maps(asked.maps), asked.group, asked.limit, asked.steps)
    if asked.dry_run:
        return _estimate(asked, spec, given)
    out = asked.out if asked.out is not None else Path("scores") / f"{asked.spec.stem}-{_stem(asked.completions)}"
    with Progress(console=Console(stderr=True), transient=True, disable=asked.quiet or not sys.stderr.isatty()) as bar:
        task = bar.add_task("scored", total=None)
        request = Request(spec, folder_of(asked.spec), given, out, asked.rollout, asked.sets, asked.resume, asked.replace,
                          lambda done, count: bar.update(task, completed=done, total=count), asked.ask_all,
                          keep=Renewed(Keep()) if asked.is_fresh else Keep(), foretell=None if asked.quiet else _foretell,
                          device=asked.device)
        report = _answered(asked, request)
        if asked.jsonl:
            write_jsonl(out)
    if asked.as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        console = output()
        if report.is_kept and report.comparisons:
            print_answers(report, console)
        else:
            print_report(report, console)
            print_comparisons(report.comparisons, console)
    return report.exit_status


def _estimate(asked: Asked, spec: Spec, given: Given) -> int:
    """Print what judges would take. 0 whether the budget lasts or not."""
    kept = Keep(is_read_only=True)
    request = Request(spec, folder_of(asked.spec), given, asked.out or Path(), asked.rollout, asked.sets, ask_all=asked.ask_all,
                      keep=Renewed(kept) if asked.is_fresh else kept)
    count, estimate = estimate_spec(request)
    if asked.as_json:
        print(json.dumps({"completions": count, **estimate.document()}, indent=2))
        return 0
    print(f"{asked.spec} on {asked.completions}: {counted(count, 'completion')}; nothing was sent, nothing was written")
    for line in whole_lines(estimate):
        print(line)
    return 0


def _foretell(estimate: Estimate) -> None:
    for line in short_lines(estimate):
        print(line, file=sys.stderr)


def _spec(asked: Asked, path: Path, sets: dict[str, str]) -> Spec | None:
    """A spec without errors; what is found of it is printed beside the JSON, not into it."""
    from rldsl.train.command import checked_spec
    with redirect_stdout(sys.stderr if asked.as_json else sys.stdout):
        return checked_spec(path, sets)


def _answered(asked: Asked, request: Request) -> ScoreReport:
    """The report, with the answers to what is asked of it. What was scored before is not scored again for that."""
    for text in asked.what_ifs:
        parse_what_if(text)
    other = None
    if asked.against is not None:
        spec = _spec(asked, asked.against, {})
        if spec is None:
            raise ScoreError(f"{asked.against} cannot be compared with", "it has errors, or cannot be read.", "mend it")
        other = replace(request, spec=spec, project=folder_of(asked.against), overrides={}, rollout=None,
                        out=request.out / "against" / asked.against.stem, given=replace(request.given, is_shared=True))
    return score_and_ask(request, asked.what_ifs, other)


def output() -> Console:
    """As wide as the terminal; what is not one gets whole tables."""
    is_terminal = sys.stdout.isatty()
    return Console(width=None if is_terminal else 200, no_color=not is_terminal, highlight=False)


def written_maps(maps: Sequence[str]) -> dict[str, str]:
    """`--map answer=extra_info.answer`, as a mapping."""
    found: dict[str, str] = {}
    for entry in maps:
        name, equals, column = entry.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise ScoreError(f"`--map {entry}` says no column", "it names a field and where it stands.", "`--map answer=solution`",
                             USAGE)
        if name.strip() in found:
            raise ScoreError(f"`{name.strip()}` is mapped twice", "a field has one column.", "delete one of them", USAGE)
        found[name.strip()] = column.strip()
    return found


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name
