"""TensorBoard events, through the `tensorboard` package alone: no torch, no background thread.

Scalars and texts only.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from rldsl.train.durable import explained

_STAMP = re.compile(r"events\.out\.tfevents\.(\d+)\.")


class EventLog:
    """One event file for each session of a run, made when the first number arrives."""

    __slots__ = ("_file", "_folder", "_records")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._records: RecordWriter | None = None

    def purge(self, step: int) -> None:
        """Tells TensorBoard to forget what it has from `step` on: the run continues from before it."""
        self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def log(self, step: int, values: Mapping[str, float], wall_time: float | None = None) -> None:
        """The values of one step, flushed, so that a kill loses nothing that was logged."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        if scalars:
            self._write(Event(step=step, summary=Summary(value=scalars)), wall_time)

    def sync(self) -> None:
        """Waits until all of it is on the disk."""
        if self._file is not None:
            with explained("write", self._folder):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Ends the file; a later event begins another."""
        if self._file is not None:
            self._file.close()
        self._file = self._records = None

    def _write(self, event: Event, wall_time: float | None = None) -> None:
        event.wall_time = time.time() if wall_time is None else wall_time
        with explained("write TensorBoard events in", self._folder):
            records = self._records or self._begin()
            records.write(event.SerializeToString())
            records.flush()

    def _begin(self) -> RecordWriter:
        """TensorBoard reads files in the order of their names, so each name comes after the last."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stamps = [int(match[1]) for path in self._folder.iterdir() if (match := _STAMP.match(path.name))]
        stamp = max([int(time.time()), *(found + 1 for found in stamps)])
        self._file = open(self._folder / f"events.out.tfevents.{stamp:010d}.rldsl", "xb")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        return self._records
