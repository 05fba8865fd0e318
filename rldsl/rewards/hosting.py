"""The host side of a spec, opened: its functions, the judges that its rubrics ask, its embedders of texts and
scorers of steps. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rldsl.graph.model import Foreign, Operation
from rldsl.graph.spec import Spec
from rldsl.rewards.kept_calls import Kept
from rldsl.rewards.rubrics.parts import CriterionService
from rldsl.rewards.run import HostCalls, Service

if TYPE_CHECKING:
    from rldsl.rewards.judging.judge import Judges
    from rldsl.rewards.judging.keep import Keep
    from rldsl.rollouts.models import LoadedModel
    from rldsl.rollouts.placement import Placement

JUDGED = ("rubric", "prefer", "prm", "steps")
READING = ("similarity", "step_scores")


def open_host(spec: Spec, project: Path, *, seed: int = 0, models: Mapping[str, LoadedModel] | None = None,
              keep: Kept | None = None, judges: Judges | None = None, placement: Placement | None = None) -> HostCalls:
    """Everything that answers the calls of a spec. `models` are those that a run has loaded: judges of the same weights are taken
    from them; others are loaded on `placement`, by default the CPU. Answers of judges are kept on disk, in `keep` those of other
    costly calls too. `judges`: see `judges_of`."""
    asked = kinds_of(node.operation for node in spec.graph.nodes)
    services: dict[str, Service] = {}
    if asked.intersection(JUDGED):
        services = _judging(judges or judges_of(spec, project, seed=seed, models=models, placement=placement))
    if asked.intersection(READING):
        services |= _reading(spec, project, seed, models, placement)
    return HostCalls(spec.externs, project, services={**services, "criterion": CriterionService()}, keep=keep)


def kinds_of(operations: Iterable[Operation]) -> set[str]:
    """What the calls among these are called, up to their colon."""
    return {operation.name.partition(":")[0] for operation in operations if isinstance(operation, Foreign)}


def _reading(spec: Spec, project: Path, seed: int, models: Mapping[str, LoadedModel] | None,
             placement: Placement | None) -> dict[str, Service]:
    """Services over local models that read texts: embedders, scorers of steps."""
    from rldsl.rewards.models import load_named
    from rldsl.rewards.similarity import Similarity
    from rldsl.rewards.step_scores import StepScores

    @cache
    def load(name: str) -> LoadedModel:
        return load_named(spec, [name], project, seed, placement)[name]
    model: Callable[[str], LoadedModel] = load if models is None else models.__getitem__
    return {"similarity": Similarity(model), "step_scores": StepScores(model)}


def _judging(judges: Judges) -> dict[str, Service]:
    from rldsl.rewards.rubrics.cutting import CutService
    from rldsl.rewards.rubrics.services import PreferService, RubricService, StepService
    return {"rubric": RubricService(judges), "prefer": PreferService(judges), "prm": StepService(judges),
            "steps": CutService(judges)}


def judges_of(spec: Spec, project: Path, *, seed: int = 0, models: Mapping[str, LoadedModel] | None = None,
              keep: Keep | None = None, placement: Placement | None = None) -> Judges:
    """The judges of a spec, none of them opened yet. Their answers are kept in `keep`, by default in the user's cache."""
    from rldsl.rewards.judging.judge import Judges
    from rldsl.rewards.judging.keep import Keep
    keep = Keep() if keep is None else keep
    if models is None and placement is None:
        return Judges(spec.models, keep=keep, seed=seed, root=project)
    from rldsl.rewards.judging.local import loader
    load = loader({model.name: model for model in spec.models}, seed=seed, root=project, loaded=models, placement=placement)
    return Judges(spec.models, keep=keep, load=load, seed=seed, root=project)
