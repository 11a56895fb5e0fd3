"""What metrics.json says of a selection: names and shapes that others read."""

import json
from dataclasses import replace

from issodask.report.facts import FittedWeights
from issodask.report.metrics import to_json
from tests.report.tables import FACTS

SELECT = {"units": 24_000, "rounds": None, "allow_repeats": False}
WRITTEN = {
    "aim": {"at": "original"}
    | dict.fromkeys(["keep", "exponent", "effective_units", "trees", "random", "subset"])
    | {"kept": {}},
    "asked": None,
    "pool_units": 600_000,
    "objective": 0.0068,
    "stop_reason": "the given effort was spent",
    "rounds": "320/400",
    "seed": 3,
    "timings": {"generate": 160.2, "select": 58.2},
    "ipf": {
        "status": "converged",
        "residuals": [0.04, 0.02],
        "n_pairs": 28,
        "unfillable": 1834,
        "pool_residual": 0.02,
        "effective_units": 21_600.5,
    },
    "start": {"chosen": "weighted", "units": 192_000, "errors": {"weighted": 0.011, "even": 0.052}, "tried": False},
    "unsupported": {
        "cells": 1834,
        "share": 0.0012,
        "worst": [
            {"columns": ["age", "city"], "bins": ["⪰ 58", "Wels"], "rows": 9},
            {"columns": ["age", "city"], "bins": ["⪰ 18", "the-only-one"], "rows": 1},
        ],
    },
    "lineage": [
        {"generator": 0, "pool_units": 1000, "units": 40},
        {"generator": None, "pool_units": 500, "units": 2},
    ],
    "objective_bound": None,
    "copies": {
        "unit": "row",
        "n_units": 24_000,
        "n_equal": 30,
        "n_of_once": 2,
        "by_chance": 9.5,
        "beyond_chance": False,
    },
    "roles": {"roles": {"age": {"role": "numeric", "why": "a number"}}, "left_out": []},
}


def written(facts):
    return json.loads(to_json(facts.to_dict()))


def test_facts__of_a_job_have_its_settings():
    assert written(FACTS) == {**WRITTEN, "job": {"seed": 3, "select": SELECT}}


def test_facts__of_a_selection_alone_have_its_own_settings():
    assert written(replace(FACTS, job=None)) == {**WRITTEN, "select": SELECT}


def test_facts__of_groups_that_were_not_trimmed():
    of_groups = written(replace(FACTS, start=None, ipf=FittedWeights("skipped"), unit="group"))
    assert of_groups["start"] == {}
    assert of_groups["ipf"]["effective_units"] == 0
    assert of_groups["copies"]["unit"] == "group"


def test_facts__of_a_job_count_the_time_of_its_pool():
    whole = replace(FACTS, timings={"trim": 3.0}, job=None).of_job({"seed": 4}, 12.5)
    assert list(whole.timings.items()) == [("generate", 12.5), ("trim", 3.0)]
    assert whole.to_dict()["job"] == {"seed": 4}
