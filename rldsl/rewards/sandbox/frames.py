"""Frames on a pair of descriptors without waiting: one letter, a length, bytes. What stands between a keeper and its starter."""

from __future__ import annotations

import os

_READ = 1 << 16
_HEAD = 5
Frame = tuple[str, bytes]


class Port:
    """One end. `is_closed` once the other end is gone."""

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.is_closed = False
        self._incoming = bytearray()
        self._outgoing = bytearray()
        os.set_blocking(source, False)
        os.set_blocking(sink, False)

    @property
    def waiting(self) -> int:
        """How many bytes are still to be written."""
        return len(self._outgoing)

    def put(self, kind: str, data: bytes = b"") -> None:
        """Queue a frame, and write what can be written."""
        self.put_raw(kind.encode() + len(data).to_bytes(_HEAD - 1, "big") + data)

    def put_raw(self, data: bytes) -> None:
        """Queue bytes as they are."""
        self._outgoing += data
        self.flush()

    def flush(self) -> None:
        """Write as much as the pipe takes."""
        try:
            while self._outgoing:
                del self._outgoing[:os.write(self.sink, self._outgoing[:_READ])]
        except BlockingIOError:
            return
        except OSError:
            self.is_closed = True
            self._outgoing.clear()

    def take(self) -> list[Frame]:
        """The frames that came."""
        try:
            data = os.read(self.source, _READ)
            self.is_closed = self.is_closed or not data
            self._incoming += data
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True
        found: list[Frame] = []
        while len(self._incoming) >= _HEAD:
            end = _HEAD + int.from_bytes(self._incoming[1:_HEAD], "big")
            if len(self._incoming) < end:
                break
            found.append((chr(self._incoming[0]), bytes(self._incoming[_HEAD:end])))
            del self._incoming[:end]
        return found
