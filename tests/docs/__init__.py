"""The documentation's site: what of it is made from code, and the tests that its samples run."""
