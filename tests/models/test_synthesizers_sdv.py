"""SDV's models: quiet, from a seed, in the original's types, and refused where they would need too much."""

import random

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.models.synthesizers import sdv_models
from issodask.models.synthesizers.sdv_process import first_line, prepared
from issodask.synthesizers import synthesizer
from issodask.testing import check_generator
from tests.models.tables import awkward

pytestmark = [pytest.mark.slow, pytest.mark.training]

NASTY = ["price €/m²", "  spaced  ", "all nan", "constant", "__key", "maybe", "date 1650"]
MODELS = [
    "sdv:GaussianCopula?distribution=norm",  # the default takes longest to fit
    "sdv:CTGAN?epochs=1",
    "sdv:TVAE?epochs=1",
    "sdv:CopulaGAN?epochs=1&distribution=norm",
]


@pytest.mark.parametrize("name", MODELS)
def test_sdv__keeps_what_a_generator_promises(name, capfd):
    check_generator(synthesizer(name), awkward(25)[NASTY], units=10)
    assert "".join(capfd.readouterr()) == ""


def test_sdv__draws_what_it_learnt_in_the_originals_range():
    numbers = np.random.default_rng(1).gamma(2, 10, 400).round(1)
    table = pd.DataFrame({"a": numbers, "b": np.where(numbers > 20, "much", "little"), "c": numbers.astype(int)})
    model = synthesizer("sdv:GaussianCopula", distribution="norm")
    model.fit(table, 1)
    rows = model.sample(500, 2)
    assert rows["a"].between(numbers.min(), numbers.max()).all()
    assert rows["c"].dtype == table["c"].dtype
    assert rows.groupby("b")["a"].mean().diff()["much"] > 5
    assert rows["a"].equals(rows["a"].round(1))


def panel(n_groups=40):
    random = np.random.default_rng(1)
    lengths = random.integers(1, 5, n_groups)
    person = np.repeat(np.arange(n_groups), lengths)
    score = random.normal(size=len(person)).round(2)
    return pd.DataFrame(
        {
            "person": pd.Series(person).map("p{}".format),
            "sex": random.choice(["f", "m"], n_groups)[person],
            "score": np.where(random.random(len(person)) < 0.2, np.nan, score),
            "state": random.choice(["a", "b", None], len(person)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 99, len(person)), unit="D"),
            "one": 1,
        }
    )


def test_par__keeps_what_a_generator_promises():
    check_generator(synthesizer("sdv:PAR", epochs=1), panel(20), group_key="person", units=8)


def test_par__columns_of_a_group_stay_its_own():
    model = synthesizer("sdv:PAR", epochs=1, group_key="person")
    model.fit(panel(), 1)
    rows = model.sample(20, 2)
    assert rows["person"].nunique() == 20
    assert (rows.groupby("person")["sex"].nunique() == 1).all()
    assert rows["since"].dt.normalize().equals(rows["since"])


def test_par__needs_a_column_that_varies_within_groups():
    with pytest.raises(InputError, match="needs a column that varies within groups, but none does"):
        synthesizer("sdv:PAR", group_key="person").fit(panel()[["person", "sex", "one"]], 1)


def test_sdv__pieces_of_a_sample_differ(monkeypatch):
    monkeypatch.setattr(sdv_models, "_NUMBERS_AT_ONCE", 1)
    model = synthesizer("sdv:GaussianCopula")
    model.fit(pd.DataFrame({"a": np.random.default_rng(1).normal(size=50)}), 1)
    rows = model.sample(2_000, 2)
    assert len(rows) == 2_000
    assert not np.array_equal(rows["a"][:1_000], rows["a"][1_000:])


def test_sdv__columns_of_one_value_need_no_model():
    model = synthesizer("sdv:CTGAN")
    model.fit(pd.DataFrame({"a": [1, 1], "b": [None, None]}), 1)
    assert model.sample(3, 1).to_dict("list") == {"a": [1, 1, 1], "b": [None, None, None]}


def test_sdv__what_would_need_too_much_memory_is_refused():
    n_rows = 20_000
    table = pd.DataFrame({"name": [f"person {i}" for i in range(n_rows)], "number": np.arange(n_rows)})
    with pytest.raises(InputError, match=r"20,000 x 20,011 numbers, 20,000 of them for 'name', at most 250,000,000"):
        synthesizer("sdv:TVAE").fit(table, 1)


def test_sdv__what_it_raises_is_told_in_a_line(monkeypatch):
    def fail(self, table):
        raise RuntimeError("no\nway")

    monkeypatch.setattr(sdv_models.SdvModel, "_fitted", fail)
    with pytest.raises(InputError, match=r"sdv:CTGAN can't learn the original \(RuntimeError: no way\): leave"):
        synthesizer("sdv:CTGAN").fit(pd.DataFrame({"a": [1, 2]}), 1)
    assert first_line(MemoryError()) == "MemoryError"


def test_prepared__leaves_all_random_numbers_as_they_were():
    import torch

    def next_numbers():
        return random.random(), np.random.random(), torch.rand(1).item(), torch.get_num_threads()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = next_numbers()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with prepared(5):
        first = next_numbers()[:3]
    assert next_numbers() == expected
    with prepared(5):
        assert next_numbers()[:3] == first
