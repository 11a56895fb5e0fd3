"""Kill what a job runs on, in every stage, and see that it ends in the same bytes: `make test-faults`."""
