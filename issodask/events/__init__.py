"""What a run tells while it works: the kinds of events.

Each is a dataclass, and one line of JSON in `events.jsonl` (see event_log.py). What there is to see of it, a stage's
progress or a line of text, it says itself: the terminal, a notebook, the dashboard and `issodask status` show the same.
"""

from issodask.events.job import (
    ColumnsKnown,
    CsvRead,
    Damaged,
    Driving,
    Evaluating,
    GeneratorTold,
    Imputing,
    PartEncoded,
    Resumed,
    RunFinished,
    Running,
    SubsetWritten,
    Writing,
)
from issodask.events.search import (
    Bounded,
    MemoryShort,
    OddsFound,
    PoolMarked,
    Preselected,
    RandomScored,
    RandomTaken,
    Refined,
    RulesKnown,
    SearchBegun,
    StartChosen,
    StratumFound,
    Trimmed,
    Unmet,
    WeightsPassed,
)

__all__ = [
    "Bounded",
    "ColumnsKnown",
    "CsvRead",
    "Damaged",
    "Driving",
    "Evaluating",
    "GeneratorTold",
    "Imputing",
    "MemoryShort",
    "OddsFound",
    "PartEncoded",
    "PoolMarked",
    "Preselected",
    "RandomScored",
    "RandomTaken",
    "Refined",
    "Resumed",
    "RulesKnown",
    "RunFinished",
    "Running",
    "SearchBegun",
    "StartChosen",
    "StratumFound",
    "SubsetWritten",
    "Trimmed",
    "Unmet",
    "WeightsPassed",
    "Writing",
]
