"""Roles: which columns are ids, texts, categories; a false id is worse than a missed one."""

import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.table.profiles import profile_of_others, profile_of_texts, profile_of_whole_numbers
from issodask.table.roles import ROLES, checked_names, find_role, given_roles, words_of
from tests.strategies import randoms

N = 400


def of_texts(texts, name="column", units=None):
    codes, found = pd.factorize(np.array(texts, dtype=object))
    return profile_of_texts(name, list(found), codes, units)


def of_numbers(numbers, name="column", missing=(), units=None):
    numbers = np.asarray(numbers)
    return profile_of_whole_numbers(name, numbers, np.isin(np.arange(len(numbers)), missing), units)


def role_of_texts(texts, name="column", units=None):
    return find_role(of_texts(texts, name, units)).role


def role_of_numbers(numbers, name="column", missing=(), units=None):
    return find_role(of_numbers(numbers, name, missing, units)).role


def shuffled(values):
    return np.random.default_rng(0).permutation(values)


CODES = {
    "numbered": [f"C-{i:07d}" for i in shuffled(9_000_000)[:N]],
    "case numbers, some of which repeat": [f"{i % 90}:{i // 90}:{i % 2 + 1}" for i in shuffled(5 * N) // 3],
    "uuids": [str(uuid.UUID(int=int(i) << 70)) for i in range(1, N)],
    "zip-like": [f"{i:05d}" for i in shuffled(90_000)[:N]],
}
TEXTS = {
    "names of people": [
        f"{a} {b}" for a in ["Anna", "Bert", "Carl", "Dora", "Emil"] for b in [f"M{'a' * i}yer" for i in range(9)]
    ],
    "sentences": [f"the patient said that it hurt {i} days ago" for i in range(N)],
    "free text": [f"free text {i}" for i in shuffled(10**6)[:N]],
    "dates": [str(day) for day in np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")],
    "months": [f"{year} {month}" for year in range(1960, 2000) for month in ("Jan", "Feb", "Mar")],
    "decimals": [f"{i / 7:.3f}" for i in range(N)],
    "amounts": [f"${i:,}" for i in range(5_000, 90_000, 311)],
    "words": [a + b + "o" for a in ["Al", "Be", "Ce", "Da", "Eno", "Fu"] for b in ["nx", "ppa", "rs", "tti", "viola"]],
}


@pytest.mark.parametrize("name", CODES)
def test_text__codes_that_hardly_repeat_are_ids(name):
    assert role_of_texts(CODES[name]) == "id"


@pytest.mark.parametrize("name", TEXTS)
def test_text__prose_dates_and_numbers_are_no_ids(name):
    assert role_of_texts(TEXTS[name]) == "text"


def test_text__few_values_are_categories():
    assert role_of_texts(["a", "b", "c"] * 30) == "category"
    assert role_of_texts([*"abcd"] * 2) == "category"
    assert role_of_texts([f"A{i}" for i in range(60)] * 10) == "category"


def test_text__codes_that_many_share_stay():
    assert role_of_texts([f"P-{i}" for i in range(300)] * 8) == "category"
    assert role_of_texts([f"P-{i}" for i in range(300)] + ["P-1"] * 200) == "text"


def test_text__letters_alone_take_many_values():
    states = [a + b for a in "ABCDEFGHIJ" for b in "KLMNO"]
    airports = [a + b + c for a in "ABCDEFGHIJ" for b in "KLMNOPQRST" for c in "UVWXYZ"]
    assert role_of_texts(states) == "text"
    assert role_of_texts(airports) == "id"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        (np.arange(1, 3_001), "column"),  # row numbers by any name
        (shuffled(np.arange(1, N + 1)), "row_number"),
        (shuffled(np.arange(1, N + 1))[: N // 2], "patient"),  # with gaps, as half of a table has them
        (np.arange(5_000, 5_000 + N), "caseid"),
        (np.random.default_rng(1).integers(0, 2**60, N), "customerId"),
        (np.random.default_rng(1).integers(2**63, 2**64 - 1, N, dtype="uint64"), "hash id"),
        ([1, 1, *range(3, 90)], "id"),  # a few repeat
        (np.arange(N) // 3 * 7_919, "household_id"),
    ],
)
def test_number__ids_count_or_are_named(numbers, name):
    assert role_of_numbers(numbers, name) == "id"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        (np.arange(1900, 2020), "year"),
        (np.arange(1, N + 1), "day"),
        (shuffled(np.arange(1, 3_001)), "wealth"),  # ranks
        (np.arange(1, 100), "column"),
        (np.random.default_rng(1).integers(0, 2**60, N), "income"),
        (np.arange(10), "id"),  # too few to tell
        (np.arange(N) // 9, "school_id"),  # enough share each
        ([1, 1, *range(3, 90)], "row"),
        (np.random.default_rng(1).integers(0, 90_000, 50), "paid"),
    ],
)
def test_number__measurements_are_no_ids(numbers, name):
    assert role_of_numbers(numbers, name) == "number"


def test_number__missing_values_make_it_no_id():
    assert role_of_numbers(np.arange(N), "id") == "id"
    assert role_of_numbers(np.arange(N), "id", missing=[3]) == "number"


ACCOUNTS = np.random.default_rng(1).integers(10_000, 10**8, N)


def test_number__what_may_be_an_id_is_pointed_out():
    some_twice = np.append(ACCOUNTS, ACCOUNTS[:20])
    for numbers in (ACCOUNTS, some_twice):
        found = find_role(of_numbers(numbers, "account"))
        assert (found.role, found.is_perhaps_id) == ("number", True)
    assert found.why == "whole numbers, 95% of which differ: if they are ids, say so with account=id"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        (ACCOUNTS, "price_cents"),
        (ACCOUNTS, "Amount"),
        (ACCOUNTS, "population"),
        (ACCOUNTS - 5 * 10**7, "account"),
        (ACCOUNTS % 500, "account"),
        (np.append(ACCOUNTS, ACCOUNTS), "account"),
        (ACCOUNTS[:19], "account"),
    ],
)
def test_number__amounts_and_what_repeats_are_not_pointed_out(numbers, name):
    found = find_role(of_numbers(numbers, name))
    assert (found.role, found.why, found.is_perhaps_id) == ("number", "whole numbers", False)


def test_number__floats_are_ids_where_all_are_whole_and_the_name_says_so():
    def found(name, numbers=ACCOUNTS):
        profile = profile_of_whole_numbers(name, numbers, np.arange(len(numbers)) == 3, None, "number")
        return find_role(profile), given_roles({name: "id"}, {name: profile})[name]

    assert [item.role for item in found("customer_id")] == ["id", "id"]
    assert [item.role for item in found("account")] == ["number", "id"]
    assert found("account")[0].is_perhaps_id
    assert found("row", np.arange(3_000))[0].role == "number"


@pytest.mark.parametrize(("kind", "role"), [("time", "time"), ("truth", "category"), ("number", "number")])
def test_other__the_kind_says_it(kind, role):
    assert find_role(profile_of_others("x", kind, 2, np.zeros(N, bool))).role == role


def test_constant__one_value_that_enough_share():
    assert role_of_texts(["only"] * 8) == "constant"
    assert role_of_texts(["only"] * 7) == "category"
    assert role_of_texts(["only"] * 8 + [None]) == "category"
    assert role_of_texts([None] * 3) == "constant"
    assert find_role(profile_of_others("x", "number", 1, np.zeros(9, bool))).role == "constant"


def test_groups__units_are_counted():
    units = np.repeat(np.arange(60), 10)
    of_group = np.array([f"G{i:04d}" for i in range(60)])[units]
    assert role_of_texts(of_group, units=units) == "id"
    assert role_of_texts(of_group) == "category"
    assert role_of_numbers(units + 1, "patient", units=units) == "id"
    assert of_texts(of_group, units=units).n_values == 60
    visits = [f"V{i:04d}" for i in range(600)]
    assert role_of_texts(visits, units=units) == "id"
    changing = ["mine", *["x"] * 9] + ["x", "y"] * 295
    assert of_texts(changing, units=units).n_sharing.tolist() == [1, 60, 59]


@given(randoms, st.booleans())
def test_profile__the_order_of_units_is_of_no_matter(random, is_of_group):
    units = np.repeat(np.arange(7), random.integers(1, 5, 7))
    codes = random.integers(-1, 3, 7)[units] if is_of_group else random.integers(-1, 3, len(units))
    order = random.permutation(len(units))
    renumbered = pd.factorize(units[order])[0]
    one, other = (
        profile_of_texts("x", ["a", "b", "c"], *pair) for pair in ((codes, units), (codes[order], renumbered))
    )
    assert one.n_sharing.tolist() == other.n_sharing.tolist()
    assert (one.n_values, one.n_missing) == (other.n_values, other.n_missing)


def test_words_of__every_way_to_write_a_name():
    for name in ("customer_id", "customerId", "CustomerID", "customer id", "Customer.ID"):
        assert words_of(name) == ["customer", "id"]


def test_given__named_by_the_user():
    profiles = {"note": of_texts(TEXTS["words"], "note"), "n": of_numbers(np.arange(9), "n")}
    found = given_roles({"note": "id", "n": "category"}, profiles)
    assert {name: item.role for name, item in found.items()} == {"note": "id", "n": "category"}
    assert found["note"].why == "named by the user"


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"nota": "id"}, r"\[columns\] names 'nota', but the original has no such column"),
        ({"note": "key"}, r"\[columns\] note is 'key', but a role is one of number, time, .*: choose one"),
        ({"note": "number"}, r"note is 'number', but its values are texts, which can be category or id or text"),
        ({"note": "constant"}, r"note is 'constant', but"),
        ({"price": "id"}, r"price is 'id', but its values are numbers with decimals, which can be category or number"),
    ],
)
def test_given__what_can_not_be_is_told(roles, message):
    profiles = {
        "note": of_texts(TEXTS["words"], "note"),
        "price": profile_of_others("price", "number", 2, np.zeros(9, bool)),
    }
    with pytest.raises(InputError, match=message):
        given_roles(roles, profiles)


@pytest.mark.parametrize("given", [["note"], "note", {"note"}, 3])
def test_checked_names__anything_but_roles_by_name_is_told(given):
    with pytest.raises(InputError, match=r'^columns is .*give a mapping such as \{"customer": "id"\}'):
        checked_names(given)


def test_checked_names__nothing_is_none():
    assert checked_names(None) == {}
    assert checked_names({"note": "id"}) == {"note": "id"}


def test_given__the_group_key_is_no_column_that_has_a_role():
    with pytest.raises(InputError, match=r"\[columns\] names 'who', which is the group key: .*: leave it out"):
        given_roles({"who": "id"}, {}, "who")


def test_roles__are_few():
    assert ROLES == ("number", "time", "category", "text", "id", "constant")
