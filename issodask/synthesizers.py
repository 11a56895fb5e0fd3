"""Other synthesizers by name: each learns a table and draws rows, and any can be the `source` of a pool.

    from issodask.synthesizers import names, synthesizer

    cart = synthesizer("cart", smoothing="density")
    cart.fit(people, seed=1)
    rows = cart.sample(1_000, seed=2)

`names()` are all there are. A job file, the command line and `issodask.generate(source=...)` take the same names, with
settings after a question mark: `cart?smoothing=density`, `perturb:0.3`, `sdv:CTGAN?epochs=50&batch_size=500`.
"""

from issodask.models.synthesizers import names, synthesizer

__all__ = ["names", "synthesizer"]
