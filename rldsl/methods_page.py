"""docs/methods.md: what each spec of `examples/methods/` says, uses and maximises, and what the language cannot say yet.

Everything but the rows of `missing.toml` is read off the specs: their comments, imports and graphs. Runs nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rldsl.assets import asset_path
from rldsl.compiler import check_source
from rldsl.explain.equation import Style, equation_of
from rldsl.graph.model import (
    Foreign,
    Leaf,
    Mirror,
    Pick,
    Rank,
    Read,
    Reduce,
    Reduction,
    Scan,
    Shift,
    SourceKind,
)
from rldsl.graph.spec import Average, ObjectiveSpec, Role, Spec, Stored
from rldsl.graph.steps import Reset, StageStep, Step, When
from rldsl.loading import library_source, project_loader
from rldsl.passes import compile_objective
from rldsl.resolve.modules import LoadFailure
from rldsl.resolve.uses import names_below
from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.parse import parse

FOLDER = ("examples", "methods")
READS = {"entropy": "exact entropy", "kl": "exact KL", "js": "exact Jensen-Shannon", "tv": "exact total variation",
         "logz": "log-partition", "value": "a critic's value", "score": "a scorer's number"}


@dataclass(frozen=True, slots=True)
class Method:
    """One spec: its id, the name and the sentence that open its comment, the rest of the comment as paragraphs."""

    id: str
    path: Path
    title: str
    sentence: str
    paragraphs: tuple[str, ...]
    module: tree.Module
    spec: Spec

    @property
    def status(self) -> str:
        """`runs`, or the sentence in which `rldsl run` refuses."""
        if self.spec.deferred:
            return f"type-checks; {self.spec.deferred[0].sentence}"
        later = [f"`{name}` of `{response.name}` type-checks, but it is not built yet" for response in self.spec.responses
                 for name in response.deferred]
        return f"type-checks; {later[0]}" if later else "runs"


@dataclass(frozen=True, slots=True)
class Gap:
    """What of a method the language cannot say: constructs by name, and one sentence. `whole`: there is no spec at all."""

    id: str
    name: str
    constructs: tuple[str, ...]
    sentence: str
    whole: bool


def method_paths() -> list[Path]:
    """The specs, by their ids."""
    return sorted(asset_path(*FOLDER).glob("m*.rl"))


def read_method(path: Path) -> Method:
    """A spec with its comment. Raises `ValueError` where it has errors or no opening comment."""
    source = Source(path.name, path.read_text(encoding="utf-8"))
    module, _ = parse(source)
    result = check_source(source, project_loader(path.parent))
    if module is None or result.errors or result.spec is None:
        raise ValueError(f"{path.name} does not check: {[entry.title for entry in result.errors]}")
    found = re.match(r"([^:]+): (.+?)\n(.*)", module.doc + "\n", re.DOTALL)
    if found is None:
        raise ValueError(f"{path.name} opens with no comment of the form `## NAME: one sentence.`")
    paragraphs = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", found[3]) if part.strip())
    return Method(path.stem.split("-", 1)[0], path, found[1], found[2], paragraphs, module, result.spec)


def read_gaps() -> tuple[dict[str, str], list[Gap]]:
    """The constructs that are missing, each with what it would be, and the rows that need them."""
    content = tomllib.loads(asset_path(*FOLDER, "missing.toml").read_text(encoding="utf-8"))
    rows = [Gap(row["id"], row["name"], tuple(row["constructs"]), row["sentence"], row["whole"]) for row in content["row"]]
    return content["constructs"], sorted(rows, key=lambda row: row.id)


# ------------------------------------------------------------------ what a spec uses
def library_uses(method: Method) -> list[str]:
    """Library functions that a spec names, after their modules; those of the prelude without one."""
    found = [f"{item.module}: {', '.join(name.text for name in item.names)}" for item in method.module.items
             if isinstance(item, tree.Import) and not item.is_path]
    used = {name.text for item in method.module.items for name in names_below(item)}
    prelude = sorted(used & _prelude_names())
    return found + ([f"prelude: {', '.join(prelude)}"] if prelude else [])


def _prelude_names() -> frozenset[str]:
    source = library_source("std.prelude")
    assert not isinstance(source, LoadFailure)
    module, _ = parse(source)
    return frozenset(item.name for item in module.items if isinstance(item, tree.Function)) if module is not None else frozenset()


def construct_uses(spec: Spec) -> list[str]:
    """Constructs of the language that a spec uses, in a fixed order, read off its parts and its graph."""
    return [*_models(spec), *_responses(spec), *_operations(spec), *_course(spec)]


def _models(spec: Spec) -> Iterator[str]:
    trained = {objective.model for objective in spec.objectives}
    own = [model for model in spec.models if not model.shares_weights and not model.frozen]
    yield from _counted(sum(model.role is Role.POLICY for model in own) - 1, "second policy", "further policies")
    yield from _counted(sum(model.role is Role.CRITIC for model in own), "critic")
    for role in (Role.SCORER, Role.EMBEDDER, Role.JUDGE):
        yield from _counted(sum(model.role is role for model in own), role.value)
    yield from _counted(sum(model.frozen and model.follows is None for model in spec.models), "snapshot")
    yield from _counted(sum(isinstance(model.follows, Average) for model in spec.models), "moving average")
    yield from _counted(sum(isinstance(model.follows, Stored) for model in spec.models), "stored version")
    yield from _counted(sum(model.shares_weights for model in spec.models), "role of the same weights",
                        "roles of the same weights")
    yield from ["several trained models"] if len({_root(spec, name) for name in trained}) > 1 else []


def _root(spec: Spec, name: str) -> str:
    by_name = {model.name: model for model in spec.models}
    while by_name[name].shares_weights and by_name[name].base is not None:
        name = str(by_name[name].base)
    return name


def _responses(spec: Spec) -> Iterator[str]:
    sampled = [response for response in spec.responses if response.is_sampled]
    owners = {response.name for response in spec.responses}
    yield from _counted(len(sampled), "rollout")
    chained = any(response.prompt_axis.owner in owners for response in sampled)
    yield from ["a rollout from a rollout"] if chained else []
    masked = any("within" in dict(response.settings) for response in sampled)
    yield from ["a rollout within another policy's tokens"] if masked else []
    yield from _counted(len(spec.responses) - len(sampled), "given response")
    yield from _counted(len(spec.data), "data set") if len(spec.data) > 1 else []


def _operations(spec: Spec) -> Iterator[str]:
    found: set[str] = set()
    for node in spec.graph.nodes:
        match node.operation:
            case Read(kind=kind, context=context, within=within):
                found |= {READS[kind.value]} if kind.value in READS else set()
                found |= {"tokens in another context"} if context is not None else set()
                found |= {"a read within a support"} if within else set()
            case Reduce(reduction=Reduction.QUANTILE) | Pick(reduction=Reduction.QUANTILE):
                found.add("quantile")
            case Rank():
                found.add("rank")
            case Mirror():
                found.add("others")
            case Leaf(kind=SourceKind.RECORDED, field="uniform"):
                found.add("random numbers")
            case Scan():
                found.add("scan")
            case Shift():
                found.add("next or prev")
            case Foreign(name=name) if not name.startswith("policy."):
                found.add("extern function" if name.startswith("extern:") else name)
            case Leaf(kind=SourceKind.PROGRESS):
                found.add("iteration()")
            case _:
                pass
    return iter(sorted(found))


def _course(spec: Spec) -> Iterator[str]:
    steps = list(_every(spec.train))
    yield from _counted(len(spec.states), "state")
    yield from _counted(len({step.name for step in steps if isinstance(step, StageStep)}), "stage")
    yield from _counted(sum(isinstance(step, Reset) for step in steps), "reset")
    yield from _counted(sum(isinstance(step, When) for step in steps), "when")
    yield from _counted(len(spec.guards), "guard")


def _every(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _every(getattr(step, "body", ()))


def _counted(number: int, word: str, words: str | None = None) -> list[str]:
    return [] if number < 1 else [word] if number == 1 else [f"{number} {words or word + 's'}"]


# ------------------------------------------------------------------ the page
def methods_page(mark: str) -> str:
    """docs/methods.md; `mark` stands on top."""
    methods = [read_method(path) for path in method_paths()]
    constructs, gaps = read_gaps()
    running = sum(method.status == "runs" for method in methods)
    lines = [mark, "# Methods\n\n",
             "Methods of the literature as specs. Each file says where the method comes from, which values are the paper's and "
             "what is scaled down, and carries tests of values worked out by hand; `rldsl run examples/methods/FILE` trains it "
             "in seconds to a minute.\n\n",
             f"{running} run, {len(methods) - running} type-check and are refused by `rldsl run` in one sentence, "
             f"{sum(gap.whole for gap in gaps)} cannot be said yet ([why](#not-said-yet)).\n\n",
             "| id | method | coupling | status |\n|---|---|---|---|\n"]
    parts = {gap.id for gap in gaps if not gap.whole}
    lines += [f"| [{method.id}](#{method.id}) | {_cell(method.title)} | {_couplings(method.spec)} | "
              f"{method.status.split(';')[0]}{', [a part is left out](#not-said-yet)' if method.id in parts else ''} |\n"
              for method in methods]
    for method in methods:
        lines += _section(method, [gap for gap in gaps if gap.id == method.id])
    return "".join([*lines, *_gaps(constructs, gaps)])


def _couplings(spec: Spec) -> str:
    return ", ".join(dict.fromkeys(compile_objective(spec, objective).coupling.word for objective in spec.objectives)) or "none"


def _section(method: Method, gaps: list[Gap]) -> Iterator[str]:
    yield f"\n## {method.id}\n\n**{method.title}**: {method.sentence} "
    yield f"[{method.path.name}](../examples/methods/{method.path.name})\n"
    yield from (f"\n{paragraph}\n" for paragraph in method.paragraphs)
    uses = [*library_uses(method), ", ".join(construct_uses(method.spec))]
    yield f"\nUses {'; '.join(part for part in uses if part)}.\n"
    if method.status != "runs":
        yield f"\nStatus: {method.status}.\n"
    yield from (f"\nLeft out: {gap.sentence} ({', '.join(gap.constructs)})\n" for gap in gaps)
    for objective in method.spec.objectives:
        yield "\n```\n"
        yield from _equation(method.spec, objective)
        yield "```\n"


def _equation(spec: Spec, objective: ObjectiveSpec) -> Iterator[str]:
    yield f"{objective.name} for {objective.model}\n"
    definitions: dict[str, str] = {}
    for term in objective.terms:
        found = equation_of(spec.graph, term.label, term.key, Style.TEXT)
        yield f"  {'maximize' if term.maximize else 'minimize'} {found.left} = {found.right}\n"
        definitions |= dict(found.definitions)
    yield from (f"    {name} = {right}\n" for name, right in definitions.items())


def _gaps(constructs: dict[str, str], gaps: list[Gap]) -> Iterator[str]:
    yield "\n## Not said yet\n\nWhat the language lacks, and which methods wait for it. "
    yield "`(part)`: the spec runs without that part.\n\n"
    yield "| construct | what it would be | methods |\n|---|---|---|\n"
    for name in sorted(constructs, key=lambda word: (-sum(word in gap.constructs for gap in gaps), word)):
        waiting = ", ".join(gap.id + ("" if gap.whole else " (part)") for gap in gaps if name in gap.constructs)
        yield f"| {name} | {_cell(constructs[name])} | {waiting} |\n"
    yield "\n| id | method | what cannot be said | constructs |\n|---|---|---|---|\n"
    yield from (f"| {gap.id} | {_cell(gap.name)} | {'' if gap.whole else 'A part: '}{_cell(gap.sentence)} | "
                f"{', '.join(gap.constructs)} |\n" for gap in gaps)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
