"""The host side of a spec, opened: its functions, the judges that its rubrics ask, its embedders of texts and
scorers of steps. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Spec
from rldsl.rewards.kept_calls import Kept
from rldsl.rewards.rubrics.parts import CriterionService
from rldsl.rewards.run import HostCalls, Service

if TYPE_CHECKING:
    from rldsl.rewards.judging.judge import Judges
    from rldsl.rollouts.models import LoadedModel

JUDGED = ("rubric", "prefer", "prm", "steps")
READING = ("similarity", "step_scores")


def open_host(spec: Spec, project: Path, *, seed: int = 0, models: Mapping[str, LoadedModel] | None = None,
              keep: Kept | None = None) -> HostCalls:
    """Everything that answers the calls of a spec. `models` are those that a run has loaded: judges of the same weights are taken
    from them. Answers of judges are kept on disk, in `keep` those of other costly calls too."""
    asked = {node.operation.name.partition(":")[0] for node in spec.graph.nodes if isinstance(node.operation, Foreign)}
    services = _judging(spec, project, seed, models) if asked.intersection(JUDGED) else {}
    if asked.intersection(READING):
        services |= _reading(spec, project, seed, models)
    return HostCalls(spec.externs, project, services={**services, "criterion": CriterionService()}, keep=keep)


def _reading(spec: Spec, project: Path, seed: int, models: Mapping[str, LoadedModel] | None) -> dict[str, Service]:
    """Services over local models that read texts: embedders, scorers of steps."""
    from rldsl.rewards.models import load_named
    from rldsl.rewards.similarity import Similarity
    from rldsl.rewards.step_scores import StepScores

    @cache
    def load(name: str) -> LoadedModel:
        return load_named(spec, [name], project, seed)[name]
    model: Callable[[str], LoadedModel] = load if models is None else models.__getitem__
    return {"similarity": Similarity(model), "step_scores": StepScores(model)}


def _judging(spec: Spec, project: Path, seed: int, models: Mapping[str, LoadedModel] | None) -> dict[str, Service]:
    from rldsl.rewards.rubrics.cutting import CutService
    from rldsl.rewards.rubrics.services import PreferService, RubricService, StepService
    judges = _judges(spec, project, seed, models)
    return {"rubric": RubricService(judges), "prefer": PreferService(judges), "prm": StepService(judges),
            "steps": CutService(judges)}


def _judges(spec: Spec, project: Path, seed: int, models: Mapping[str, LoadedModel] | None) -> Judges:
    from rldsl.rewards.judging.judge import Judges
    from rldsl.rewards.judging.keep import Keep
    if models is None:
        return Judges(spec.models, keep=Keep(), seed=seed, root=project)
    from rldsl.rewards.judging.local import loader
    load = loader({model.name: model for model in spec.models}, seed=seed, root=project, loaded=models)
    return Judges(spec.models, keep=Keep(), load=load, seed=seed, root=project)
