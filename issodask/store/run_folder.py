"""Where a run leaves what it makes: the names of all files and folders, in one place."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SearchFolder:
    """What a search goes on from, and the receipts of its steps, below `path`."""

    path: Path

    @property
    def weights(self) -> Path:
        """A file of weights for each block of the pool."""
        return self.path / "weights"

    @property
    def odds(self) -> Path:
        """A file of odds for each block of the pool."""
        return self.path / "odds"

    @property
    def told_apart(self) -> Path:
        """The receipt of the odds."""
        return self.path / "odds.json"

    @property
    def marks(self) -> Path:
        """A file for each block of the pool: which class its units are of, and which may not be chosen."""
        return self.path / "marks"

    @property
    def marked(self) -> Path:
        """The receipt of the marks."""
        return self.path / "marks.json"

    @property
    def weighed(self) -> Path:
        """The receipt of the weights."""
        return self.path / "ipf.json"

    @property
    def sums(self) -> Path:
        """What an interrupted fit of weights goes on from."""
        return self.path / "ipf.npz"

    @property
    def state(self) -> Path:
        """The checkpoint of trimming and refinement."""
        return self.path / "state.npz"

    @property
    def strata(self) -> Path:
        """What was found of the first strata."""
        return self.path / "strata.npz"

    @property
    def bound(self) -> Path:
        """The receipt of the bound."""
        return self.path / "bound.json"

    @property
    def written(self) -> Path:
        """The receipt of subset and lineage."""
        return self.path / "written.json"


@dataclass(frozen=True)
class RunFolder:
    """Everything that a run makes, below `path`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def job(self) -> Path:
        """The job with all its settings."""
        return self.path / "job.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    def imputer(self, key: str) -> Path:
        """The generator that fills what is missing; the key says what it learnt from, and how."""
        return self.path / f"imputer-{key}"

    def imputed(self, draw: int) -> Path:
        """The original without gaps, once per draw."""
        return self.path / f"imputed-{draw:02d}.parquet"

    @property
    def imputed_note(self) -> Path:
        """Their receipt."""
        return self.path / "imputed.json"

    @property
    def generators(self) -> Path:
        return self.path / "generators"

    def generator(self, index: int) -> Path:
        return self.generators / f"{index:02d}"

    @property
    def pool(self) -> Path:
        return self.path / "pool"

    @property
    def codes(self) -> Path:
        return self.path / "codes"

    @property
    def search(self) -> SearchFolder:
        return SearchFolder(self.path / "select")

    @property
    def subset(self) -> Path:
        return self.path / "subset.parquet"

    @property
    def lineage(self) -> Path:
        """Where each unit of the subset comes from."""
        return self.path / "subset.lineage.parquet"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        """What the table is, for those who are handed it: Markdown."""
        return self.path / "card.md"

    @property
    def card_record(self) -> Path:
        """The same as JSON."""
        return self.path / "card.json"

    @property
    def qa_report(self) -> Path:
        """mostlyai-qa's own report."""
        return self.path / "qa-report.html"

    @property
    def evaluated(self) -> Path:
        """The receipt of metrics and reports."""
        return self.path / "evaluated.json"

    @property
    def dask_report(self) -> Path:
        return self.path / "dask-report.html"

    @property
    def results(self) -> tuple[Path, ...]:
        """What a run is for."""
        return self.subset, self.lineage, self.metrics, self.report, self.card, self.card_record


@dataclass(frozen=True)
class StudyFolder:
    """Everything that a benchmark makes, below `path`."""

    path: Path

    @property
    def settings(self) -> Path:
        """The study with all its settings."""
        return self.path / "study.json"

    @property
    def tables_of_rows(self) -> Path:
        """What is learnt from and tested on: real rows, as long as trials need them."""
        return self.path / "tables"

    @property
    def trials(self) -> Path:
        """A folder for each trial, with its outcome."""
        return self.path / "trials"

    @property
    def results_json(self) -> Path:
        return self.path / "results.json"

    @property
    def results_csv(self) -> Path:
        """A row for each trial and way."""
        return self.path / "results.csv"

    @property
    def tables(self) -> Path:
        """The same as tables of means, in Markdown."""
        return self.path / "results.md"

    @property
    def page(self) -> Path:
        return self.path / "report.html"

    @property
    def results(self) -> tuple[Path, ...]:
        """What a benchmark is for."""
        return self.results_json, self.results_csv, self.tables, self.page
