"""What: a term of an objective that still has a value per token, answer or prompt.

Why: how tokens are put together decides what is learned. Of one answer of 10 tokens and one of 1000, the token mean gives
them 1 % and 99 % of the weight, the mean of means 50 % each, a constant length lets longer answers weigh more without
normalising. Papers differ in exactly this, so nothing is assumed.

Example: `maximize surrogate: clipped(ratio, advantage, 0.8 .. 1.2)`

Instead: `mean(x)` (every token counts the same), `mean(mean(x, per: sample))` (every answer), or
`mean(sum(x, per: sample)) / 4096` (a constant length).

When this is wrong: never; a scalar is what can be maximised.
"""

from rldsl.checks.model import Check
from rldsl.diagnostics import Severity

CHECK = Check("RL101", "unreduced-level", Severity.ERROR, "an objective term still has a level", decided="elaborate")
