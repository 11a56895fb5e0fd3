"""A study's tables, as text: means by synthesizer and way, over all tables and for each, sizes, and what failed.

In: `Studied`. Out: `Sheet`s, which the page and the Markdown file both show.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from issodask.report.standings import HOLDOUT, MEANINGS, NAMES, ORIGINAL, told
from issodask.report.studied import ALL_POOLS, ALONE, OF_WORK, SELECTED, Mean, Studied

COLUMNS = {measure: name for measure, name in NAMES.items() if measure != "copies"} | {
    "seconds": "seconds",
    "peak_gb": "GB",
}
MEANINGS_OF_STUDIES = {name: meaning for name, meaning in MEANINGS.items() if name != "copies"} | {
    "seconds, GB": "of learning, filling the pool and (selected) selecting, on one core; the most memory at once",
}
SIZE_MEASURES = {"unseen": "accuracy against unseen people", "use": "use", "seconds": "seconds"}
_DIGITS = {"use": 3, "told_apart": 3, "attack": 3, "dcr_share": 3, "seconds": 1, "peak_gb": 2}
_SPREAD_DIGITS = 3
_NO_SYNTHESIZERS = (ALL_POOLS, "copy")
"""What conclusions leave out: several together, and the landmark that has everything."""

_LANDMARKS = {ORIGINAL: "the original itself", HOLDOUT: "unseen people"}


@dataclass(frozen=True)
class Sheet:
    """A table of texts, with a line of what it is."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sheets(studied: Studied) -> list[Sheet]:
    """All of them, the means over tables first."""
    found = []
    if len(studied.sizes) == 1:
        if len(studied.tables) > 1:
            title = f"All {len(studied.tables)} tables"
            found.append(_means(studied, None, title, "Means of the tables' means, and their spread over tables."))
        found += [_means(studied, name, name, "Means, and spread over repeats.") for name in studied.tables]
    else:
        found += [sheet for name in studied.tables for sheet in _by_size(studied, name)]
    if studied.failures:
        found.append(_failures(studied))
    return found


def _means(studied: Studied, table: str | None, title: str, note: str) -> Sheet:
    rows = []
    for synthesizer, way in studied.ways():
        means = [studied.mean(measure, synthesizer, way, table) for measure in COLUMNS]
        if any(mean is not None for mean in means):
            rows.append((_called(synthesizer), way, *map(_shown, means, COLUMNS)))
    for which, name in _LANDMARKS.items():
        means = [None if m in OF_WORK else studied.landmark(m, which, table) for m in COLUMNS]
        rows.append((name, "", *map(_shown, means, COLUMNS)))
    return Sheet(title, note, ("synthesizer", "", *COLUMNS.values()), rows)


def _by_size(studied: Studied, table: str) -> Iterator[Sheet]:
    head = ("synthesizer", "", *(f"{size:,}" for size in studied.sizes))
    for measure, name in SIZE_MEASURES.items():
        rows = [
            (
                _called(synthesizer),
                way,
                *(_shown(studied.mean(measure, synthesizer, way, table, size), measure) for size in studied.sizes),
            )
            for synthesizer, way in studied.ways()
        ]
        yield Sheet(f"{table}: {name}", "By the number of units to learn from.", head, rows)


def _failures(studied: Studied) -> Sheet:
    rows = [
        (row.table, row.synthesizer, f"{row.train_rows:,}", str(row.repeat), row.state, row.error)
        for row in studied.failures
    ]
    note = "A trial that gave nothing is in no mean."
    return Sheet("Trials without a result", note, ("table", "synthesizer", "units", "repeat", "", "why"), rows)


def _called(synthesizer: str) -> str:
    return "all pools together" if synthesizer == ALL_POOLS else synthesizer


def _shown(found: Mean | None, measure: str) -> str:
    if found is None:
        return told(None)
    spread = "" if found.spread is None or measure in OF_WORK else f" ± {told(found.spread, _SPREAD_DIGITS)}"
    return told(found.mean, _DIGITS.get(measure, 4)) + spread


_CHANGES = (
    ("use", "Use", "{} is learnt from the table of what the original teaches"),
    ("told_apart", "The AUC of telling apart", "{} tells the table from real rows"),
    ("attack", "The attack's AUC", "{} can be told about who was learnt from"),
)


def conclusions(studied: Studied) -> list[str]:
    """What selection changes, in sentences with their numbers."""
    found = []
    for measure, closer in (("accuracy", "closer to the original"), ("unseen", "closer to unseen people")):
        gains = studied.gains(measure)
        all_gains = [gain for name, by_table in gains.items() if name not in _NO_SYNTHESIZERS for _, gain in by_table]
        if all_gains:
            n_better = sum(gain > 0 for gain in all_gains)
            found.append(
                f"With selection on top of their pools synthesizers are {closer} in {n_better} of {len(all_gains)} "
                f"pairs of synthesizer and table; the mean gain is {100 * sum(all_gains) / len(all_gains):+.2f} points."
            )
    for measure, name, what in _CHANGES:
        pairs = _pairs(studied, measure)
        if pairs:
            before, after = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
            change = what.format("more" if after > before else "less" if after < before else "as much")
            found.append(f"{name} goes from {before:.4f} to {after:.4f} in the mean: {change}.")
    return [*found, *_of_all_pools(studied)]


def _pairs(studied: Studied, measure: str) -> list[tuple[float, float]]:
    pairs = []
    for synthesizer in studied.synthesizers:
        alone, selected = (studied.mean(measure, synthesizer, way) for way in (ALONE, SELECTED))
        if synthesizer not in _NO_SYNTHESIZERS and alone is not None and selected is not None:
            pairs.append((alone.mean, selected.mean))
    return pairs


def _of_all_pools(studied: Studied) -> list[str]:
    together = studied.mean("unseen", ALL_POOLS, SELECTED)
    singles = {
        name: found.mean
        for name in studied.synthesizers
        if name not in _NO_SYNTHESIZERS and (found := studied.mean("unseen", name, SELECTED)) is not None
    }
    if together is None or not singles:
        return []
    best = max(singles, key=lambda name: singles[name])
    return [
        f"Selected from all pools together a table reaches {together.mean:.4f} against unseen people, from the best "
        f"single pool ({best}) {singles[best]:.4f}."
    ]
