"""The membership attack: it finds planted members, nothing where there is nothing, and says how sure it is."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from issodask.report.attack import CONTROL, LIKELIHOOD, METHODS, WHITENED, Separation, attack_membership
from issodask.report.scores import score
from issodask.report.tables import Table
from tests.report.tables import as_table, sequence_table

KEY = "person"


def people(n_rows, seed):
    """Of eight columns of four values, each related to the one before."""
    random = np.random.default_rng(seed)
    columns = [random.integers(0, 4, n_rows)]
    for _ in range(7):
        columns.append((columns[-1] + random.choice(4, n_rows, p=[0.6, 0.2, 0.1, 0.1])) % 4)
    return pd.DataFrame({f"c{i}": values.astype(str) for i, values in enumerate(columns)})


def attacked(original, subset, holdout, **more):
    tables = {"original": original, "subset": subset, "holdout": holdout, **more}
    return attack_membership(tables, score(tables, "original", seed=1), seed=1)


@pytest.fixture(scope="module")
def flat():
    """Half of the subset are members; the random sample of the pool has none of them."""
    original, blind = people(600, 1), people(600, 3)
    subset = pd.concat([original[:300], blind[:300]], ignore_index=True)
    tables = [Table.flat(frame) for frame in (original, subset, people(800, 2), blind)]
    return attacked(*tables[:3], pool_sample=tables[3])


def sure_of_something(attack):
    return attack.everybody.auc > 0.5 + 4 * attack.everybody.error


def sure_of_nothing(attack):
    return abs(attack.everybody.auc - 0.5) < 4 * attack.everybody.error


def test_attack__finds_members_that_were_planted(flat):
    assert sure_of_something(flat.strongest("subset"))
    assert flat.strongest("subset").unusual.auc > 0.55


def test_attack__finds_more_in_a_copy(flat):
    assert flat.strongest("original").everybody.auc > flat.strongest("subset").everybody.auc + 0.03


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("table", ["pool_sample", CONTROL])
def test_attack__finds_nothing_in_a_blind_table(flat, table, method):
    assert sure_of_nothing(flat.attacks[table][method])


def test_attack__says_whom_it_looked_at(flat):
    assert (flat.unit, flat.n_members, flat.n_outsiders) == ("row", 600, 800)
    assert flat.n_cliques == flat.n_all_cliques == 8 + 28 + 56


def test_attack__is_the_same_whoever_does_it(flat):
    original, blind = people(600, 1), people(600, 3)
    tables = {
        "original": Table.flat(original),
        "pool_sample": Table.flat(blind),
        "subset": Table.flat(pd.concat([original[:300], blind[:300]], ignore_index=True)),
        "holdout": Table.flat(people(800, 2)),
    }
    with ThreadPoolExecutor(3) as threads:
        assert attack_membership(tables, score(tables, "original", 1), 1, threads.map) == flat


def test_attack__of_groups_looks_at_groups():
    original, others = (as_table(sequence_table(200, seed), KEY) for seed in (1, 2))
    blind = as_table(sequence_table(200, 3), KEY)
    found = attacked(original, original, others, pool_sample=blind)
    assert (found.unit, found.n_members, found.n_outsiders) == ("group", 200, 200)
    assert sure_of_something(found.strongest("subset"))
    assert sure_of_nothing(found.attacks["pool_sample"][WHITENED])


def test_attack__of_one_column():
    names = [frame[["c0"]] for frame in (people(200, 1), people(200, 2), people(200, 3))]
    found = attacked(*map(Table.flat, names))
    assert set(found.attacks["subset"]) == {LIKELIHOOD, WHITENED}
    assert all(np.isfinite(attack.everybody.auc) for attack in found.attacks["subset"].values())


def test_attack__of_equal_tables_and_a_constant():
    same = pd.DataFrame({"a": ["x"] * 100, "b": ["y"] * 100})
    found = attacked(Table.flat(same), Table.flat(same), Table.flat(same))
    assert found.strongest("subset").everybody.auc == 0.5


def test_attack__needs_a_holdout_and_enough_people():
    few, many = Table.flat(people(30, 1)), Table.flat(people(100, 2))
    assert (
        attack_membership(
            {"original": many, "subset": many}, score({"original": many, "subset": many}, "original", 1), 1
        )
        is None
    )
    assert attacked(few, few, many) is None
    assert attacked(many, few, few) is None


def test_attack__of_a_wide_table_looks_at_some_triples():
    random = np.random.default_rng(1)
    original, subset, holdout = (
        Table.flat(pd.DataFrame(random.integers(0, 2, (60, 30)).astype(str)).rename(columns=str)) for _ in range(3)
    )
    found = attacked(original, subset, holdout)
    assert 2_000 < found.n_cliques < found.n_all_cliques == 30 + 435 + 4_060


def test_attack__rates_need_enough_outsiders(flat):
    rates = flat.strongest("subset").rates
    assert 0 <= rates[0.01] <= 1
    assert rates[0.001] is None


def test_separation__is_the_area_under_the_curve():
    random = np.random.default_rng(1)
    members, outsiders = random.integers(0, 9, 300) + 1.0, random.integers(0, 9, 200) * 1.0
    found = Separation.of(members, outsiders)
    truth = np.repeat([1, 0], [300, 200])
    assert found.auc == pytest.approx(roc_auc_score(truth, np.concatenate([members, outsiders])))


def test_separation__error_is_that_of_repeated_draws():
    random = np.random.default_rng(1)
    draws = [Separation.of(random.normal(0.3, 1, 150), random.normal(0, 1, 100)) for _ in range(400)]
    assert np.mean([draw.error for draw in draws]) == pytest.approx(np.std([draw.auc for draw in draws]), rel=0.1)


def test_separation__mean_of_two_is_surer_of_outsiders_alone():
    one = Separation(0.6, (0.01, 0.02))
    assert Separation.mean([one, Separation(0.7, (0.01, 0.02))]) == Separation(pytest.approx(0.65), (0.01, 0.01))


def test_likelihood__of_people_who_share_nothing():
    """A member's one triple is in all published rows and none of the reference; an outsider's the other way round."""
    ours, others = (pd.DataFrame({"a": [x] * 40, "b": [y] * 40, "c": ["w"] * 40}) for x, y in ("xu", "yv"))
    found = attacked(Table.flat(ours), Table.flat(ours), Table.flat(others))
    assert found.attacks["subset"][LIKELIHOOD].everybody.auc == 1
    assert found.attacks["subset"][WHITENED].everybody.auc == 1
