"""What makes scoring impossible, in words for people. Knows no files."""

from __future__ import annotations


class ScoreError(Exception):
    """Scoring cannot start or go on: `title` what, `why` the consequence, `fix` what to write. `exit_status` is the command's."""

    def __init__(self, title: str, why: str = "", fix: str = "", exit_status: int = 1) -> None:
        self.title, self.why, self.fix, self.exit_status = title, why, fix, exit_status
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """As it is printed, without `error: `."""
        parts = [self.title]
        parts += [f" why: {self.why}"] if self.why else []
        parts += [f" fix: {self.fix}"] if self.fix else []
        return "\n".join(parts)
