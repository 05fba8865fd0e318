"""The codes of faults of form. Stable; what each is about stands in `rldsl.checks`, the particular mistakes in `mistakes`."""

from __future__ import annotations

SIZE, DEPTH, TEXT, NUMBER, OPERATOR = "RL001", "RL002", "RL003", "RL004", "RL005"
FOREIGN, SPELLING, BRACKET, FORM, MISFIT = "RL006", "RL007", "RL008", "RL009", "RL010"
