"""Python functions of a project, found by `module:function` with the project's folder on the path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from rldsl.data.signatures import did_you_mean


class NoSuchFunction(Exception):
    """Says why `module:function` cannot be used."""


@contextmanager
def project_on_path(project: Path) -> Iterator[None]:
    """The project's folder first on `sys.path`; afterwards its modules are forgotten, so that two projects
    may each have a `rewards.py`."""
    folder = str(project.resolve())
    before = set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        own = [name for name in set(sys.modules) - before if _is_inside(sys.modules[name], folder)]
        sys.path.remove(folder)  # from now on a package that is a mere folder has only the places that are elsewhere
        for name in own:
            del sys.modules[name]


def find_function(reference: str) -> Callable[..., Any]:
    """The function that `module:function` names, else `NoSuchFunction`; an import that fails raises."""
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise NoSuchFunction(f'a Python function is written "module:function", not "{reference}"')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as fault:
        if fault.name and (module_name == fault.name or module_name.startswith(fault.name + ".")):
            raise NoSuchFunction(f"there is no Python module `{module_name}` in the project") from None
        raise
    found = getattr(module, name, None)
    if found is None:
        public = [other for other, value in vars(module).items() if callable(value) and other[0] != "_"]
        raise NoSuchFunction(f"there is no function `{name}` in `{module_name}`{did_you_mean(name, public)}")
    if not callable(found):
        raise NoSuchFunction(f"`{reference}` is not a function")
    function: Callable[..., Any] = found
    return function


def _is_inside(module: ModuleType | None, folder: str) -> bool:
    """A folder without `__init__.py` is a package too: it has places, and no file."""
    file = getattr(module, "__file__", None)
    places = [file] if isinstance(file, str) else list(getattr(module, "__path__", ()))
    return any(Path(place).is_relative_to(folder) for place in places)
