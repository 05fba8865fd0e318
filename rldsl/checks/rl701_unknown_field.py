"""What: a field is used that the data does not declare, or declared that its source cannot have.

Why: a typo in a column name is found here, before a model loads.

Example: `problems.anser`

Instead: the field's right name, or declare it: `answer: Text target`.

When this is wrong: never; the schema is what the file is checked against.
"""

from rldsl.checks.model import Check
from rldsl.diagnostics import Severity

CHECK = Check("RL701", "unknown-field", Severity.ERROR, "a field that the data does not have", decided="elaborate")
