"""`python -m issodask`: the command line; on a cluster, on a leash that ends with the worker that started it."""

import os

from issodask.cli import main

if __name__ == "__main__":
    if os.environ.pop("ISSODASK_LEASH", None):
        from issodask.runtime.service.drive import hold_leash

        hold_leash()
    main()
