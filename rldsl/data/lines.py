"""Readers of text files, line by line: jsonl and csv. They give rows with their places."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from rldsl.data.errors import Problems
from rldsl.data.table import Place

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_CELL = 2**30


class _NotJson(ValueError):
    """A line that Python would read, and that is not a JSON object with distinct keys."""


def read_jsonl(path: Path, shown: str, problems: Problems) -> Iterator[tuple[dict[str, Any], Place]]:
    """The objects of a file with one on each line. Blank lines are skipped; CRLF and a BOM are fine."""
    decoder = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_constant)
    with _open(path) as file:
        for line, raw in enumerate(_lines(file, shown, problems), 1):
            text = _text(raw, shown, line, problems)
            if text is None or not (text := text.strip()):
                continue
            try:
                row = _value(decoder, text)
            except (ValueError, RecursionError) as fault:
                problems.add(_json_fault(fault, raw, line), shown, line)
                continue
            if isinstance(row, dict):
                yield row, (shown, line, None)
            else:
                problems.add(_not_an_object(row, line), shown, line)


def read_csv(path: Path, shown: str, separator: str, problems: Problems) -> Iterator[tuple[dict[str, str],
Place]]:
    """The rows of a csv file by the names in its header."""
    with _open(path) as file:
        before = csv.field_size_limit(_LONGEST_CELL)
        lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            yield from _csv_rows(reader, shown, problems)
        except UnicodeDecodeError:
            raise _csv_encoding(path, shown, problems) from None
        except csv.Error as fault:
            raise problems.stop(f"is not csv: {fault}", shown, reader.line_num) from None
        finally:
            csv.field_size_limit(before)
            lines.detach()


def _csv_rows(reader: Any, shown: str, problems: Problems) -> Iterator[tuple[dict[str, str], Place]]:
    header: list[str] = next(reader, [])
    for name in sorted({name for name in header if header.count(name) > 1}):
        problems.add(f"the column `{name}` is there twice", shown, 1)
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            problems.add(f"{len(cells)} cells where the header has {len(header)}", shown, reader.line_num)
            continue
        yield dict(zip(header, cells, strict=True)), (shown, reader.line_num, None)


def _lines(file: IO[bytes], shown: str, problems: Problems) -> Iterator[bytes]:
    """The lines of a file that may be packed, and damaged."""
    try:
        yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
        raise problems.stop(f"is not gzip data that can be read: {fault}", shown) from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _text(raw: bytes, shown: str, line: int, problems: Problems) -> str | None:
    if line == 1:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise problems.stop("is UTF-16; save it as UTF-8", shown)
        raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        problems.add(_encoding_fault(fault), shown, line)
        return None


def _encoding_fault(fault: UnicodeDecodeError) -> str:
    return f"is not UTF-8: byte {fault.start + 1} of the line is 0x{fault.object[fault.start]:02x}"


def _csv_encoding(path: Path, shown: str, problems: Problems) -> Exception:
    with _open(path) as file:
        for line, raw in enumerate(file, 1):
            try:
                if line == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    return problems.stop("is UTF-16; save it as UTF-8", shown)
                raw.decode("utf-8")
            except UnicodeDecodeError as fault:
                return problems.stop(_encoding_fault(fault), shown, line)
    return problems.stop("is not UTF-8", shown)


def _value(decoder: json.JSONDecoder, text: str) -> Any:
    """As `decoder.decode`, which looks for white space three times."""
    try:
        value, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]
    except StopIteration as stop:
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    if end != len(text):
        end += len(text[end:]) - len(text[end:].lstrip())
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotJson(f"the key `{twice}` is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise _NotJson(f"{name} is not JSON; write null where there is no number")


def _json_fault(fault: Exception, raw: bytes, line: int) -> str:
    if isinstance(fault, RecursionError):
        return "is nested too deep to be read"
    if isinstance(fault, _NotJson):
        return str(fault)
    if not isinstance(fault, json.JSONDecodeError):
        return f"is not JSON that can be read: {fault}"
    if line == 1 and raw.strip() in (b"[", b"{"):
        return "is JSON over many lines; a jsonl file has one whole object on each line"
    cut = "" if raw.endswith(b"\n") else " (the file ends here: is it cut off?)"
    return f"is not JSON: {fault.msg} at column {fault.colno}{cut}"


def _not_an_object(row: Any, line: int) -> str:
    if isinstance(row, list) and line == 1:
        return "is one JSON list; a jsonl file has one object on each line"
    return f"expected a JSON object, found {type(row).__name__}"
