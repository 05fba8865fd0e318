"""Everything between a checked spec and the first step: what cannot run is refused, data first, then models, then kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rldsl.data.errors import DataErrors
from rldsl.data.load import load_data
from rldsl.data.rows import Rows
from rldsl.graph.model import Constant, Foreign, Leaf, Read, ReadKind, SourceKind, Spread
from rldsl.graph.spec import Amount, ResponseSpec, Spec
from rldsl.graph.steps import Step, Update
from rldsl.passes import compile_objective
from rldsl.rewards.engine.inline import INLINE
from rldsl.rewards.handled import handled_calls
from rldsl.rewards.hosting import open_host
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.placement import CPU, Placement
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Codec
from rldsl.train.devices import Chosen
from rldsl.train.drawing import Steps, prepare_train
from rldsl.train.engine import Engine, load_models
from rldsl.train.failures import FailureBook, failure_bounds
from rldsl.train.micro import TooFine, check_micro_batch
from rldsl.train.needs import NeedFinder, foreign_nodes
from rldsl.train.objectives import Objective, compile_objectives
from rldsl.train.outcome import RunError, place_of
from rldsl.train.seeds import seed_for
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World


def refuse_unready(spec: Spec) -> None:
    """What type-checks but cannot run yet, in one sentence."""
    for entry in spec.deferred[:1]:
        more = f" (and {len(spec.deferred) - 1} more such places)" if len(spec.deferred) > 1 else ""
        raise RunError(f"{place_of(spec, entry.span)}: {entry.sentence}{more}")
    for response in spec.responses:
        if response.deferred:
            raise RunError(f"{place_of(spec, response.span)}: `{response.deferred[0]}` of `{response.name}` type-checks, but "
                           "it is not built yet")
    if not spec.train:
        raise RunError(f"`{spec.source.name}` has no `train` block, so there is nothing to run; write "
                       "`train { repeat 100 { draw 32 prompts  update … with … { … } } }`")


def read_data(spec: Spec, project: Path, seed: int) -> dict[str, Rows]:
    """The rows of every data set, checked."""
    found: dict[str, Rows] = {}
    for entry in spec.data:
        try:
            found[entry.name] = load_data(entry, project=project, seed=seed_for(seed, "data", entry.name))
        except DataErrors as fault:
            raise RunError(f"{place_of(spec, entry.span)}: {fault}") from fault
    return found


def make_world(spec: Spec, project: Path, seed: int, data: Mapping[str, Rows],
               placement: Placement = CPU) -> tuple[World, Engine]:
    """Models, loaded, and the processes of host calls, which load the project's functions."""
    models = load_models(spec, project, seed, placement)
    _check_tokenizers(spec, models)
    world = World(spec, project, seed, data, models, open_host(spec, project, seed=seed, models=models, placement=placement),
                  NeedFinder(spec), FailureBook(handled_calls(spec), failure_bounds(spec)))
    return world, Engine(spec, models)


def _check_tokenizers(spec: Spec, models: Mapping[str, LoadedModel]) -> None:
    """Refuses what is read at tokens of a model that has other ones. A whole text can be scored in any."""
    owners = {entry.name: models[entry.model] for entry in spec.responses}
    for node in spec.graph.nodes:
        read = node.operation
        if not isinstance(read, Read) or read.tokens is not None:
            continue
        for name in (read.model, read.other):
            if name is not None and models[name].codec.digest != owners[read.response].codec.digest:
                where = f"{place_of(spec, node.span)}: " if node.span is not None else ""
                raise RunError(f"{where}`{name}` has another tokenizer than `{owners[read.response].name}`, whose tokens "
                               f"`{read.response}` has; what is read at tokens needs the same ones"
                               + (f" (`score({name}, {read.response})` reads the text)" if read.kind is ReadKind.SCORE else ""))


def check_calls(world: World) -> None:
    """Refuses functions of the project that cannot be loaded."""
    for node, operation in foreign_nodes(world.spec):
        for prepared in world.host.prepare([operation]) if _is_called(operation.name) else ():
            if prepared.problem is not None:
                where = f"{place_of(world.spec, node.span)}: " if node.span is not None else ""
                raise RunError(f"{where}`{prepared.function}` cannot be used: {prepared.problem.message}")


def _is_called(name: str) -> bool:
    return name not in INLINE


def make_objectives(world: World, chosen: Chosen) -> tuple[dict[str, Objective], Steps]:
    """The objectives of the train block, compiled, and the block with its draws named."""
    _check_micro_batches(world.spec, world.spec.train)
    objectives = compile_objectives(world.spec, world.finder, chosen.backend, chosen.placement.device)
    steps = prepare_train(world.spec, {name: objective.needs for name, objective in objectives.items()})
    return objectives, steps


def _check_micro_batches(spec: Spec, steps: tuple[Step, ...]) -> None:
    for step in steps:
        if isinstance(step, Update):
            micro_batch = dict(step.settings).get("micro_batch")
            if isinstance(micro_batch, Amount):
                _check_one(spec, step, micro_batch)
        elif hasattr(step, "body"):
            _check_micro_batches(spec, step.body)


def _check_one(spec: Spec, step: Update, micro_batch: Amount) -> None:
    entry = next(found for found in spec.objectives if found.name == step.objective)
    try:
        check_micro_batch(compile_objective(spec, entry), micro_batch)
    except TooFine as fault:
        raise RunError(f"{place_of(spec, step.span)}: {fault}") from fault


def resolved_parameters(spec: Spec, seed: int, chosen: Chosen, digest: str) -> dict[str, Any]:
    """What `parameters.json` holds."""
    values = {param.name: param.value if isinstance(param.value, bool | int | float | str) else repr(param.value)
              for param in spec.params}
    return {"spec": spec.source.name, "seed": seed, "backend": chosen.backend, "device": chosen.placement.device.type,
            "dtype": chosen.placement.dtype_name, "fingerprint": digest, "parameters": values}


def check_texts(world: World) -> None:
    """Refuses rows of the data whose texts a tokenizer of few characters cannot encode: all of them, before the first step.

    Texts that are made of samples, or by functions of the project, are not known yet and are not looked at.
    """
    for response in world.spec.responses:
        codec = world.models[response.model].codec
        for key in world.finder.texts_of(response.name) if codec.places is not None else ():
            needs = world.finder.of([key])
            if needs.responses or len(needs.data) != 1 or not _is_text_of_data(world.spec, needs.keys):
                continue
            name, = needs.data
            rows, numbers = world.data[name], np.arange(len(world.data[name]), dtype=np.int64)
            values = Values(world, {name: rows}, {name: numbers}, Scalars({}, {}, 0), ("texts",))
            _encode(world, response, codec, [text for text in values.column(key) if isinstance(text, str)])


def _is_text_of_data(spec: Spec, keys: Iterable[int]) -> bool:
    for operation in (spec.graph[key].operation for key in keys):
        is_data = isinstance(operation, Leaf) and operation.kind is SourceKind.DATA
        is_text = isinstance(operation, Foreign) and operation.name.startswith("text.")
        if not (is_data or is_text or isinstance(operation, Constant | Spread)):
            return False
    return True


def _encode(world: World, response: ResponseSpec, codec: Codec, texts: list[str]) -> None:
    try:
        codec.encode(texts, start=True)
    except ModelError as fault:
        raise RunError(f"{place_of(world.spec, response.span)}: `{response.name}`: {fault.message}") from fault
