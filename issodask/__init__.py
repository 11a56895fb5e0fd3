"""issodask: select, from a huge synthetic pool, the subset whose marginals match the original table."""
