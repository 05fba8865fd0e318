"""One scoring from beginning to end: read, group, score batch by batch, join, report. Prints nothing.

What evaluates needs torch, and is imported where something is scored: answers to what-ifs come without.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rldsl.graph.model import Read
from rldsl.graph.spec import Spec
from rldsl.reporting import counted
from rldsl.rewards.judging.forecast import Estimate
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.kept_calls import Kept
from rldsl.scores.asking import against, what_if
from rldsl.scores.groups import Survey, batches, survey
from rldsl.scores.kept import Recomputed, open_kept
from rldsl.scores.names import Names, name_nodes
from rldsl.scores.page import write_page
from rldsl.scores.plan import Plan, plan_scores
from rldsl.scores.reading import Given, Reader
from rldsl.scores.report import ScoreReport, Told, make_report
from rldsl.scores.writing import SUMMARY, ScoreFolder
from rldsl.train.durable import explained
from rldsl.train.rollout_log import list_files

FORMAT: Final = 2  # of the folder

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is scored, and into which folder. `project` is the spec's. `progress` hears how many
    of how many completions are done. Answers of costly calls are kept in `keep`, and taken from there. `foretell` hears, before
    any judge is asked, what judges would take. `device`: where the models of the spec are, by default the CPU."""

    spec: Spec
    project: Path
    given: Given
    out: Path
    rollout: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    replace: bool = False
    progress: Progress | None = None
    ask_all: bool = False
    keep: Kept | None = None
    foretell: Callable[[Estimate], None] | None = None
    device: str | None = None


def score_spec(request: Request) -> ScoreReport:
    """Score, write the folder, report. Raises `ScoreError` and `DataErrors` for the user's mistakes."""
    plan = plan_scores(request.spec, request.rollout)
    names = name_nodes(plan)
    reader = Reader(plan, request.given)
    found = None if request.out.exists() else survey(reader)  # a file that is refused leaves no folder
    with ScoreFolder(request.out, plan, names, _identity(request)) as folder:
        if not folder.open(resume=request.resume, replace=request.replace):
            started = time.perf_counter()
            found = survey(reader) if found is None else found
            notes = _notes(plan, reader, found)
            count = _score_batches(request, plan, reader, found, folder)
            took, failed = folder.took(count), folder.failures(count)
            folder.join(count)
            told = Told(str(request.given.path), notes, took, time.perf_counter() - started, failed)
            report = make_report(Recomputed(plan, names, open_kept(request.out)), told)
            write_page(report)
            folder.finish({**report.document(), "took": took, "failed": failed})
            return report
    return replace(read_report(request.out, plan, names), is_kept=True)


def estimate_spec(request: Request) -> tuple[int, Estimate]:
    """How many completions there are, and what judges would take for them. Reads the file; makes no folder, asks nobody. Raises
    `ScoreError` and `DataErrors` as `score_spec` does."""
    from rldsl.scores.estimate import estimate_batches
    from rldsl.scores.host import Evaluator
    plan = plan_scores(request.spec, request.rollout)
    reader = Reader(plan, request.given)
    found = survey(reader)
    with Evaluator(plan, request.project, ask_all=request.ask_all, keep=request.keep, judged=Keep(is_read_only=True)) as evaluator:
        evaluator.check_calls()
        return found.count, estimate_batches(evaluator, batches(reader, found, whole=plan.whole is not None))


def score_and_ask(request: Request, what_ifs: Sequence[str], other: Request | None) -> ScoreReport:
    """Score, unless that was done before, and compare: each what-if with the spec as it is, `other` with both as they are."""
    has_questions = bool(what_ifs) or other is not None
    report = score_spec(replace(request, resume=request.resume or has_questions))
    found = [comparison for text in what_ifs for comparison in what_if(report, text, request.project, request.overrides)]
    if other is not None:
        found += against(report, score_spec(replace(other, resume=True, replace=request.replace)))
    answered = replace(report, comparisons=tuple(found))
    if found:
        write_page(answered)
    return answered


def _score_batches(request: Request, plan: Plan, reader: Reader, found: Survey, folder: ScoreFolder) -> int:
    """Every batch that is not there yet; how many there are."""
    from rldsl.scores.estimate import asks_judges, estimate_batches
    from rldsl.scores.host import Evaluator
    number = -1
    with Evaluator(plan, request.project, ask_all=request.ask_all, keep=request.keep, device=request.device) as evaluator:
        evaluator.check_calls()
        if request.foretell is not None and asks_judges(plan):
            left = (batch for number, batch in enumerate(batches(reader, found, whole=plan.whole is not None))
                    if request.replace or not folder.has_part(number))
            request.foretell(estimate_batches(evaluator, left))
        folder.begin()
        for number, batch in enumerate(batches(reader, found, whole=plan.whole is not None)):
            if folder.has_part(number):
                folder.skip_part(number)
            else:
                folder.write_part(number, batch, evaluator.run(batch))
            if request.progress is not None:
                request.progress(batch.first + len(batch.completions), found.count)
    return number + 1


def read_report(path: Path, plan: Plan, names: Names) -> ScoreReport:
    """Of a folder that is complete."""
    with explained("read", path / SUMMARY):
        summary: dict[str, Any] = json.loads((path / SUMMARY).read_bytes())
    told = Told(summary["completions"], tuple(summary["notes"]), summary["took"], summary["seconds"], summary["failed"])
    return make_report(Recomputed(plan, names, open_kept(path)), told)


def _identity(request: Request) -> dict[str, Any]:
    """Of what the scores are: whatever is equal gives equal scores, as far as files say."""
    given, spec = request.given, request.spec
    texts = "\0".join(source.text for _, source in sorted(spec.sources.items()))
    return {"format": FORMAT, "spec": hashlib.sha256(texts.encode("utf-8", "surrogatepass")).hexdigest(),
            "completions": _digest_of(given.path), "parameters": dict(sorted(request.overrides.items())),
            "map": dict(sorted(given.maps.items())), "group": given.group, "limit": given.limit, "rollout": request.rollout,
            "step_separator": given.steps, "ask_all": request.ask_all}


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    files = [file for _, file in list_files(path)] if path.is_dir() else [path]
    for file in files:
        with explained("read", file), file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _notes(plan: Plan, reader: Reader, found: Survey) -> tuple[str, ...]:
    """What was assumed of the file, in sentences."""
    notes = []
    if reader.mended:
        notes.append(f"{counted(reader.mended, 'text')} with half of a surrogate pair, which no file holds: U+FFFD stands for it")
    if found.scattered:
        notes.append(f"{counted(found.scattered, 'group')} not together in the file: all completions are held and brought together")
    own = f"; declare it `@ sample` and read `{plan.response.name}.{{}}` where it belongs to each"
    hint = own if plan.response.is_sampled else ""
    notes += [f"`{name}` differs among the completions of {count:,} of {counted(found.prompts, 'prompt')}, and completions of "
              f"equal prompt and equal data are a group: so there are {counted(found.group_count, 'group')}{hint.format(name)}"
              for name, count in found.splits.items()]
    if plan.whole is not None:
        notes.append(f"`{plan.whole}` reads completions of all prompts: they are held at once")
    says_groups = reader.columns.prompt is not None or reader.columns.group is not None
    if plan.response.is_sampled and not says_groups and found.group_count == found.count:
        notes.append("no column says which completions belong to one prompt: each is a group of its own (`--group COLUMN`)")
    if reader.columns.steps:
        notes.append(f"`completions` beside `labels` are the steps of one answer: joined by {reader.given.steps!r}")
    trained = {entry.model for entry in plan.spec.objectives}
    read = list(dict.fromkeys(node.operation.model for node in plan.nodes if isinstance(node.operation, Read)))
    notes += [f"`{name}` is read with the weights that the spec declares, untrained" for name in read if name in trained]
    has_tokens = any(isinstance(node.operation, Read) and node.type.axis == plan.response.token_axis for node in plan.nodes)
    if plan.needs_length and (has_tokens or reader.columns.length is None):
        whose = "a reward model's" if has_tokens else "the policy's"
        notes.append(f"tokens are those of {whose} tokenizer, with an end token for each completion")
    if plan.spec.states and any(plan.spec.graph[key].key == state.key for state in plan.spec.states for key in plan.keys):
        notes.append("states have the values that they start with")
    return tuple(notes)
