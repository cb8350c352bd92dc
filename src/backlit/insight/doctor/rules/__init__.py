"""Rules: from the numbers of a training to causes, the most specific first.

A rule looks at `Evidence` and returns a `Finding` or None. It reads behaviour and data, never a
setting. Rules about data and the split stand for themselves; all others are asked only where the
training falls short of what the data allow (`Evidence.harmed`), since healthy trainings show nearly
every symptom there is: dead units, small gradients, a loss that wobbles.
"""

from backlit.insight.doctor.rules.course import COURSE_RULES, LAST_RULES
from backlit.insight.doctor.rules.data import DATA_RULES, PREPARATION_RULES
from backlit.insight.doctor.rules.start import BROKEN_RULES, START_RULES

__all__ = [
    "BROKEN_RULES",
    "COURSE_RULES",
    "DATA_RULES",
    "LAST_RULES",
    "PREPARATION_RULES",
    "START_RULES",
]
