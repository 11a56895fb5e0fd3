"""docs/study.md from what `make study` measured: the tables of both studies, and their pictures.

In: the folders of examples/study.toml and examples/sizes.toml. Out: a page, and SVG pictures beside it.
"""

import tomllib
from pathlib import Path
from urllib.parse import unquote

from issodask.store.run_folder import StudyFolder
from tests.bench.measure import machine
from tests.browser import browser

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
STUDY, SIZES = (ROOT / "examples" / name for name in ("study.toml", "sizes.toml"))
_SIZE = 900, 480


_PAGE = """# The study

What the published benchmarks of synthesizers compare, for anyone to run again: `make study`, or on tables of your own
[`issodask benchmark`](how-to/benchmark.md). Measured on {machine}; seconds are those of the machine as busy as it was.

## Synthesizers, alone and with selection on top

`issodask benchmark examples/study.toml`: {caps_of_study} Each synthesizer makes a pool ten times as large as the table
that it learns from; *alone* are random rows of the pool, *selected* is the subset. Up is closer to people whom nothing
has seen, left is more private.

{picture_of_study}

{study}

## How much data is enough?

`issodask benchmark examples/sizes.toml`: {caps_of_sizes} 2,000 synthetic rows each time, measured against the same
people, whatever the size.

{pictures_of_sizes}

{sizes}
"""


def page() -> str:
    """The whole page; its pictures are written."""
    n_sizes = len(_settings(SIZES)["tables"])
    drawn = [_drawn(SIZES, f"size{i}_unseen", f"sizes_{i}", "Accuracy by size") for i in range(n_sizes)]
    return _PAGE.format(
        machine=machine(),
        caps_of_study=_caps(STUDY),
        picture_of_study=_drawn(STUDY, "places0", "study", "Synthesizers by closeness and privacy"),
        study=_folder(STUDY).tables.read_text(encoding="utf-8").strip(),
        caps_of_sizes=_caps(SIZES),
        pictures_of_sizes="\n\n".join(drawn),
        sizes=_folder(SIZES).tables.read_text(encoding="utf-8").strip(),
    )


def _settings(study: Path) -> dict:
    return tomllib.loads(study.read_text(encoding="utf-8"))


def _folder(study: Path) -> StudyFolder:
    return StudyFolder(ROOT / _settings(study)["out"])


def _caps(study: Path) -> str:
    """What a trial may cost, in a sentence."""
    said = _settings(study)
    generate, sizes = said["generate"], said["train_rows"]
    learnt = f"{sizes:,}" if isinstance(sizes, int) else f"{min(sizes):,} to {max(sizes):,}"
    return (
        f"{learnt} rows to learn from, {_times(said['repeats'])}, at most {generate['max_epochs']} epochs and "
        f"{generate['max_training_time_min']:g} minutes for mostlyai, {said['limit_s']} s for each phase of a trial."
    )


def _times(n: int) -> str:
    return f"{n} times each" if n > 1 else "once each"


def _drawn(study: Path, figure: str, name: str, label: str) -> str:
    """A chart of the study's page, written as an SVG file: how Markdown shows it."""
    place = f"document.querySelector('[data-figure={figure}]')"
    width, height = _SIZE
    with browser() as opened:
        opened.open(_folder(study).page)
        opened.run(f"{place}.scrollIntoView()")
        opened.wait_for(f"{place}.querySelector('svg') !== null")
        url = opened.run(f"Plotly.toImage({place}, {{format: 'svg', width: {width}, height: {height}}})")
    text = unquote(url.partition(",")[2])
    (PICTURES / f"{name}.svg").write_text(text + "\n", encoding="utf-8")
    return f"![{label}](pictures/{name}.svg)"
