"""The commands that hand rewards to other programs: `score --serve` and `export`. Exit codes are those of the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rldsl.data.errors import DataErrors
from rldsl.reporting import folder_of
from rldsl.scores.command import written_maps
from rldsl.scores.faults import ScoreError
from rldsl.train.durable import StorageError, write_atomically

FAULT, USAGE = 1, 2


def serve_file(spec: Path, address: str, reward: str | None, maps: Sequence[str], rollout: str | None,
               overrides: dict[str, str]) -> int:
    """Answer over HTTP until interrupted."""
    from rldsl.scores.live import LiveScores
    from rldsl.scores.serving import serve
    from rldsl.train.command import checked_spec
    compiled = checked_spec(spec, overrides)
    if compiled is None:
        return FAULT
    try:
        host, port = written_address(address)
        with LiveScores(compiled, folder_of(spec), reward, rollout=rollout, maps=written_maps(maps)) as scores:
            scores.check()
            serve(scores, host, port, lambda url: print(f"`{scores.reward.name}` of {spec} at {url}", flush=True))
    except (ScoreError, DataErrors) as fault:
        return _said(fault)
    return 0


def written_address(text: str) -> tuple[str, int]:
    """`8000` on this machine alone, `0.0.0.0:8000` for everybody who reaches it, `[::1]:8000`."""
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or (colon and not host):
        raise ScoreError(f"`--serve {text}` is no address", "it is a port, or a host and a port.",
                         "`--serve 8000`, for this machine; `--serve 0.0.0.0:8000`, for others", USAGE)
    return host.strip("[]") or "127.0.0.1", int(port)


def export_file(spec: Path, host: str, out: Path | None, reward: str | None, maps: Sequence[str], overrides: dict[str, str],
                *, replace: bool) -> int:
    """Write the file by which another trainer calls a reward."""
    from rldsl.adapters.export import Export, export_text
    from rldsl.train.command import checked_spec
    if checked_spec(spec, overrides) is None:
        return FAULT
    target = out if out is not None else spec.with_name(f"{spec.stem}_{host}.py")
    try:
        text = export_text(Export(spec, host, target, reward, written_maps(maps), overrides))
        if target.exists() and not replace:
            raise ScoreError(f"{target} is there already", "it may have been changed by hand.", "`--replace`, or `--out` elsewhere",
                             USAGE)
        write_atomically(target, text.encode())
    except (ScoreError, StorageError) as fault:
        return _said(fault)
    print(f"wrote {target}")
    return 0


def _said(fault: Exception) -> int:
    print(f"error: {fault}", file=sys.stderr)
    return fault.exit_status if isinstance(fault, ScoreError) else FAULT
