"""What a selection says on its way: events for the terminal, the dashboard and the log.

In: what a stage found. Out: events.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from issodask.event_log import Events
from issodask.events import CsvRead, RulesKnown, SubsetWritten, Unmet
from issodask.report.copies import Copies
from issodask.report.facts import AskedFor, SelectionFacts
from issodask.stages.asked import Asked
from issodask.store.dialects import Dialect
from issodask.store.folders import describe_csv
from issodask.store.places import exists, is_path, place
from issodask.store.pool import Pool

_MOST_TOLD = 5


def tell_csv(original: Any, csv: Mapping[str, Any] | None, pool: Pool, events: Events) -> None:
    """Say what was found of CSV files that are not written as usual."""
    path = place(original) if is_path(original) and exists(original) else None
    texts = [describe_csv(path, Dialect.given(csv)) if path is not None else None, pool.describe_csv()]
    for text in filter(None, texts):
        events.emit(CsvRead(text=text))


def tell_rules(asked: Asked | None, events: Events) -> None:
    """Say which rules the original breaks."""
    if asked is None or not asked.n_broken.any():
        return
    broken = {rule.text: int(n) for rule, n in zip(asked.rules.rules, asked.n_broken, strict=True) if n}
    events.emit(RulesKnown(broken=broken, strict=bool(asked.enforced.all())))


def tell_unmet(answer: AskedFor, events: Events) -> None:
    unmet = answer.unmet
    if unmet:
        told = [f"{cell.cell} ({cell.subset:,} of {cell.asked:,})" for cell in unmet[:_MOST_TOLD]]
        events.emit(Unmet(cells=told, n_cells=len(unmet)))


def tell_written(out: Path, facts: SelectionFacts, copies: Copies, events: Events) -> None:
    events.emit(
        SubsetWritten(
            out=str(out),
            accuracy=1 - facts.original_error,
            rounds=facts.rounds,
            reason=facts.stop_reason,
            random_accuracy=None if facts.aim.random is None else 1 - facts.aim.random,
            copies=copies.to_dict(facts.unit),
        )
    )
