"""What: values of different texts are combined place by place.

Why: the third token of the chosen answer has nothing to do with the third token of the rejected one; padded tensors of the
same shape hide this, ragged values do not.

Example: `logp(actor, win) - logp(actor, lose)`

Instead: reduce each to a level that both share: `sum(logp(actor, win), per: sample) - sum(logp(actor, lose), per: sample)`.

When this is wrong: never.
"""

from rldsl.checks.model import Check
from rldsl.diagnostics import Severity

CHECK = Check("RL103", "foreign-origin", Severity.ERROR, "values of different texts are mixed", decided="elaborate")
