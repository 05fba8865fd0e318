"""Which files a source means: patterns, folders, and the layouts of local datasets. Opens no data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rldsl.data.errors import Problems
from rldsl.data.signatures import did_you_mean

_SUFFIXES = (".parquet", ".arrow", ".jsonl", ".jsonl.gz", ".csv")
_SPLITS = ("train", "test", "validation", "valid", "dev", "eval")


def find_file(project: Path, written: str, problems: Problems) -> Path:
    """The one file at the path as written, relative to the project."""
    path = _absolute(project, written)
    if path.is_dir():
        raise problems.stop("is a folder; name the file in it", written)
    if not path.exists():
        raise problems.stop(f"there is no such file{_near(path)}", written)
    return path


def find_parquet(project: Path, written: str, problems: Problems) -> list[Path]:
    """The parquet files that a file name, a folder or a pattern means, in the order of their names."""
    if any(sign in written for sign in "*?["):
        anchor = Path(written).anchor
        root, pattern = (Path(anchor), written[len(anchor):]) if anchor else (project, written)
        found = sorted(path for path in root.glob(pattern) if path.is_file())
    elif (path := _absolute(project, written)).is_dir():
        found = sorted(path.rglob("*.parquet"))
    else:
        return [find_file(project, written, problems)]
    if not found:
        raise problems.stop("there is no parquet file", written)
    return found


def find_dataset(project: Path, written: str, split: str, problems: Problems) -> list[Path]:
    """The files of one split of a local dataset folder."""
    folder = _absolute(project, written)
    if not folder.exists():
        raise problems.stop("there is no such folder; `hf` reads a dataset that is on this machine already"
                            f"{_near(folder)}", written)
    if folder.is_file():
        raise problems.stop("is a file; `hf` reads a folder (for a file: `jsonl`, `csv`, `parquet`)", written)
    if (folder / "dataset_dict.json").exists():
        folder = _saved_split(folder, written, split, problems)
    if (folder / "state.json").exists():
        return _saved_files(folder, written, problems)
    return _split_files(folder, written, split, problems)


def _saved_split(folder: Path, written: str, split: str, problems: Problems) -> Path:
    splits = [path.name for path in sorted(folder.iterdir()) if (path / "state.json").exists()]
    if split not in splits:
        raise problems.stop(f"there is no split `{split}`{did_you_mean(split, splits)}", written)
    return folder / split


def _saved_files(folder: Path, written: str, problems: Problems) -> list[Path]:
    try:
        state = json.loads((folder / "state.json").read_text("utf-8"))
        files = [folder / entry["filename"] for entry in state["_data_files"]]
    except (ValueError, KeyError, TypeError, OSError) as fault:
        raise problems.stop(f"its state.json cannot be read: {fault}", written) from None
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise problems.stop("was saved with a selection of rows; save it after `flatten_indices()`", written)
    if lost := [path.name for path in files if not path.exists()]:
        raise problems.stop(f"the file {lost[0]} is not there", written)
    return files


def _split_files(folder: Path, written: str, split: str, problems: Problems) -> list[Path]:
    files = [path for path in sorted(folder.rglob("*"))
             if path.is_file() and path.name.endswith(_SUFFIXES) and not path.name.startswith(".")]
    if not files:
        raise problems.stop(f"there is no data in this folder ({', '.join(_SUFFIXES)})", written)
    named = {path: _split_of(path.relative_to(folder)) for path in files}
    wanted = [path for path in files if named[path] == split or _mentions(path.relative_to(folder), split)]
    if not wanted and split == "train" and not any(named.values()):
        wanted = files
    if not wanted:
        known = sorted({name for name in named.values() if name})
        raise problems.stop(f"there is no file for the split `{split}`{did_you_mean(split, known)}", written)
    kinds = {kind for path in wanted for kind in _SUFFIXES if path.name.endswith(kind)}
    if len(kinds) > 1:
        said = ", ".join(sorted(kinds))
        raise problems.stop(f"the split `{split}` has files of several kinds: {said}", written)
    return wanted


def _split_of(path: Path) -> str | None:
    return next((split for split in _SPLITS if _mentions(path, split)), None)


def _mentions(path: Path, split: str) -> bool:
    """Whether a folder is called `split`, or the name of the file starts with it and `-`, `_` or `.`."""
    name = path.name
    starts = name.startswith(split) and name[len(split):len(split) + 1] in ("-", "_", ".")
    return starts or split in path.parts[:-1]


def _absolute(project: Path, written: str) -> Path:
    return project / Path(written).expanduser()


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent.name}" if path.parent.name else ""
    names: Sequence[str] = sorted(other.name for other in path.parent.iterdir())[:200]
    meant = did_you_mean(path.name, names)
    return meant if "did you mean" in meant else ""
