"""Reads sources from the disk: specs, project imports, the standard library. Paths stay inside the project folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rldsl.assets import asset_names, asset_text
from rldsl.resolve.modules import Loader, LoadFailure
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Source

MOST_BYTES = 16_000_000


def read_source(path: Path, name: str | None = None) -> Source | LoadFailure:
    """A spec from a file; why it cannot be read otherwise."""
    shown = name or str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            return LoadFailure("this file is too large for a spec", f"`{shown}` has {path.stat().st_size:,} bytes.",
                               "specs are short; data belongs into data files")
        return Source(shown, path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        return LoadFailure("this file is not UTF-8 text", f"byte {fault.start} of `{shown}` cannot be read.",
                           "save it as UTF-8")
    except FileNotFoundError:
        return LoadFailure("there is no such file", f"`{shown}` does not exist.", "check the path")
    except IsADirectoryError:
        return LoadFailure("this is a folder, not a spec", f"`{shown}` is a folder.", f"name its specs: `{path / '*.rl'}`")
    except OSError as fault:
        return LoadFailure("this file cannot be read", f"`{shown}`: {fault.strerror}.", "check the path and its rights")


def project_loader(project: Path, shown: Path | None = None) -> Loader:
    """A loader for the standard library and for `.rl` files below `project`. Messages call a file by its place in the
    project, after `shown` where that is given."""
    root = project.resolve()
    folders: dict[str, Path] = {}

    def load(module: str, is_path: bool, importer: str) -> Source | LoadFailure:
        if not is_path:
            return library_source(module)
        path = _inside(root, folders.get(importer, root), module)
        if isinstance(path, LoadFailure):
            return path
        name = str((shown or Path()) / path.relative_to(root))
        folders[name] = path.parent
        return read_source(path, name)

    return load


def library_only(module: str, is_path: bool, importer: str) -> Source | LoadFailure:
    """A loader for specs that are text alone: the standard library, no files."""
    if is_path:
        return LoadFailure("a spec without a folder imports no files", f"`{module}` is a path.",
                           "load the spec from a file, or import from `std`")
    return library_source(module)


def library_source(module: str) -> Source | LoadFailure:
    """A module of the standard library, such as `std.advantage`."""
    modules = _library_modules()
    if module not in modules:
        return LoadFailure(f"there is no module `{module[:30]}`", f"the library has {listed(sorted(modules))}.",
                           did_you_mean(module, modules) or 'a file is imported by its path: `import "lib.rl" as lib`')
    return Source(module, asset_text("stdlib", f"{module.removeprefix('std.')}.rl"))


@cache
def _library_modules() -> frozenset[str]:
    return frozenset(f"std.{name.removesuffix('.rl')}" for name in asset_names("stdlib", ".rl"))


def _inside(root: Path, folder: Path, written: str) -> Path | LoadFailure:
    """Where an import leads, links followed."""
    example = '`import "lib/mine.rl" as mine`'
    if "\x00" in written or not written.endswith(".rl"):
        return LoadFailure("an imported file ends in `.rl`", f"`{written[:60]}` does not.", example)
    try:
        path = (folder / written).resolve()
        is_inside = path.is_relative_to(root) and not Path(written).is_absolute()
        is_odd = is_inside and path.exists() and not path.is_file()
    except (OSError, RuntimeError, ValueError):
        return LoadFailure("this path cannot be followed", f"`{written[:60]}` leads nowhere.", example)
    if not is_inside:
        return LoadFailure("imports stay inside the project folder", f"`{written[:60]}` leads out of it.",
                           "copy the file into the project")
    if is_odd:
        return LoadFailure("only files can be imported", f"`{written[:60]}` is a folder or a device.", example)
    return path
