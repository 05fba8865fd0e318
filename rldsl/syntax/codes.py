"""The codes of faults of form, with what each is about. Stable; the particular mistakes are in `mistakes`."""

from __future__ import annotations

SIZE, DEPTH, TEXT, NUMBER, OPERATOR = "RL001", "RL002", "RL003", "RL004", "RL005"
FOREIGN, SPELLING, BRACKET, FORM, MISFIT = "RL006", "RL007", "RL008", "RL009", "RL010"

SUMMARIES = {
    SIZE: "the file is larger than the compiler reads",
    DEPTH: "an expression or a block is nested too deeply",
    TEXT: "a text literal, or a character outside one, is not written as the language has it",
    NUMBER: "a number or a duration is not written as the language has it",
    OPERATOR: "an operator of another language, or one that does not stand between these values",
    FOREIGN: "a construction of another language",
    SPELLING: "a word that is nearly a keyword",
    BRACKET: "a bracket or a comma that is missing, or one too many",
    FORM: "a declaration or statement that lacks a part, or stands in the wrong place",
    MISFIT: "a piece of text that can follow nothing before it",
}
