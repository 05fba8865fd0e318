"""What is kept of a model's decoders between two drawings, and what is to be said of them. Knows no decoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Decoding:
    """`is_static`: whether steps have fixed addresses; None: where they are captured, on a GPU. `free` are decoders that nobody
    uses now. `notes` are sentences about a model that is decoded otherwise than it might be."""

    is_static: bool | None = None
    free: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def note(self, sentence: str) -> None:
        """Once each; nothing where there is nothing to say."""
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            self.notes.append(sentence)

    def take_notes(self) -> list[str]:
        """What was noted since it was asked last."""
        fresh, self.notes = self.notes, []
        return fresh
