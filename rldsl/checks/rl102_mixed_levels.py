"""What: a live value per answer (or prompt) is added to, or subtracted from, a value per token.

Why: the coarse value is copied to every token of the finer one, and its gradient is multiplied by the number of copies:
long answers get it a thousand times, short ones ten times.

Example: `mean(logp(actor, y) + sum(logp(actor, y), per: sample))`

Instead: reduce the finer side (`mean(…, per: sample)`), or say that the copies are meant: `spread(x, to: token)`.

When this is wrong: where the copies are meant; `spread` says so. Frozen coarse values spread silently: they have no gradient.
"""

from rldsl.checks.model import Check
from rldsl.diagnostics import Severity

CHECK = Check("RL102", "mixed-levels", Severity.ERROR, "a live coarse value is added to a finer one", decided="elaborate")
