"""The front door of Python: the verbs with every setting as a keyword, and results that answer what one asks next.

In: tables of any kind or paths, settings by their names in a job file. Out: objects, with folders of their own unless
one is given. What is done lies in `issodask.stages`; the verbs here only open it for people.
"""

from issodask.api.compared import Comparison, Study
from issodask.api.comparing import benchmark, compare
from issodask.api.evaluating import evaluate
from issodask.api.filling import impute
from issodask.api.report import Report
from issodask.api.results import Finished, Plan, Pool, Selection
from issodask.api.target import Target
from issodask.api.verbs import generate, plan, run, select

__all__ = [
    "Comparison",
    "Finished",
    "Plan",
    "Pool",
    "Report",
    "Selection",
    "Study",
    "Target",
    "benchmark",
    "compare",
    "evaluate",
    "generate",
    "impute",
    "plan",
    "run",
    "select",
]
