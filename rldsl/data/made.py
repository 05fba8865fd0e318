"""Rows that are made rather than read: by a Python function of the project, by reasoning-gym."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rldsl.data.errors import Enough, Problems
from rldsl.data.loading import Loading
from rldsl.data.project import NoSuchFunction, find_function, project_on_path
from rldsl.data.signatures import did_you_mean
from rldsl.data.table import Place
from rldsl.data.values import plain


def read_python(loading: Loading) -> None:
    """Rows of `module:function`, called with the named constants of the spec, and `seed` if it takes one."""
    reference = loading.arguments["function"]
    try:
        with project_on_path(loading.project):
            function = find_function(reference)
            made = function(**_constants(loading, inspect.signature(function)))
            loading.add_rows(_rows_of(made, reference, loading.problems))
    except Enough:
        raise
    except NoSuchFunction as fault:
        raise loading.problems.stop(str(fault), reference) from None
    except Exception as fault:
        raise loading.problems.stop(_raised(fault, loading.project), reference) from None


def read_puzzles(loading: Loading) -> None:
    """Puzzles of a reasoning-gym task."""
    task = loading.arguments["task"]
    config = {name: as_python(value) for name, value in loading.arguments.items() if name != "task"}
    if config["seed"] is None:
        config["seed"] = loading.seed
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise loading.problems.stop("needs a package: pip install reasoning-gym", task) from None
    if task not in DATASETS:
        raise loading.problems.stop(f"reasoning-gym has no task `{task}`{_close(task, DATASETS)}", task)
    try:
        puzzles = enumerate(reasoning_gym.create_dataset(task, **config), 1)
        loading.add_rows((_puzzle(puzzle), (task, None, number)) for number, puzzle in puzzles)
    except Enough:
        raise
    except Exception as fault:
        raise loading.problems.stop(f"reasoning-gym refuses this: {fault}", task) from None


def as_python(value: Any) -> Any:
    """A constant of a spec as a Python function expects it: a tuple as a list."""
    return [as_python(part) for part in value] if isinstance(value, tuple) else value


def _constants(loading: Loading, signature: inspect.Signature) -> dict[str, Any]:
    given = {name: as_python(value) for name, value in loading.arguments.items()
             if name not in ("function", "limit")}
    if "seed" in signature.parameters:
        given.setdefault("seed", loading.seed)
    try:
        signature.bind(**given)
    except TypeError as fault:
        raise NoSuchFunction(f"does not take these arguments: {fault}") from None
    return given


def _rows_of(made: Any, reference: str, problems: Problems) -> Iterable[tuple[Mapping[str, Any], Place]]:
    if isinstance(made, Mapping):
        made = _transposed(made, reference, problems)
    if isinstance(made, (str, bytes)) or not isinstance(made, Iterable):
        found = type(made).__name__
        raise problems.stop(f"expected rows (mappings) or a mapping of lists, found {found}", reference)
    for number, row in enumerate(made, 1):
        if isinstance(row, Mapping):
            yield row, (reference, None, number)
        else:
            problems.add(f"row {number}: expected a mapping, found {type(row).__name__}", reference)


def _transposed(columns: Mapping[Any, Any], reference: str,
                problems: Problems) -> Iterable[Mapping[str, Any]]:
    lists = {str(name): list(plain(values)) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"`{name}` {length}" for name, length in lengths.items())
        raise problems.stop(f"the columns have different lengths: {said}", reference)
    return (dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True))


def _puzzle(puzzle: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"question": puzzle["question"], "answer": puzzle["answer"], "metadata": puzzle["metadata"],
            "entry": dict(puzzle)}


def _close(name: str, known: Iterable[str]) -> str:
    meant = did_you_mean(name, known)
    return meant if "did you mean" in meant else ""


def _raised(fault: Exception, project: Path) -> str:
    """What a function of the project raised, and on which line of its own files."""
    root = str(project.resolve())
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if frame.filename.startswith(root)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"raised {type(fault).__name__}: {fault}{where}"
