"""Synthesizers by name: what each keeps of a nasty table, how they are written, and what is said of a wrong name."""

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from issodask.config import GenerateConfig
from issodask.errors import InputError
from issodask.models.external import identity_of, is_callable_source, load
from issodask.protocols import Generator, named
from issodask.runtime import open_runtime
from issodask.stages.generate import generate
from issodask.store.frames import to_frame
from issodask.store.tables import as_table
from issodask.synthesizers import names, synthesizer
from issodask.testing import check_generator
from tests.models.tables import awkward

OWN = ["cart", "cart?order=fewest&smoothing=density", "copy", "perturb:0.3"]


def through_the_door(table):
    """As generators get it."""
    return to_frame(as_table(table))


def drawn(name, table, n, seed=1):
    made = synthesizer(name)
    made.fit(table, 1)
    return made.sample(n, seed)


# what all of them keep


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("n_rows", [10, 300])
def test_synthesizer__keeps_what_a_generator_promises(name, n_rows):
    check_generator(synthesizer(name), awkward(n_rows))


@pytest.mark.parametrize("name", OWN)
def test_synthesizer__is_a_generator_that_knows_its_name(name):
    made = synthesizer(name)
    assert isinstance(made, Generator)
    assert named(made) == name
    assert named(load(cloudpickle.loads(cloudpickle.dumps(made)))) == name


def test_named__says_what_is_not_the_default():
    assert synthesizer("perturb").source_name == "perturb:0.3"
    assert synthesizer("cart?order=given").source_name == "cart"
    assert synthesizer("cart", min_leaf=9).source_name == "cart?min_leaf=9"
    assert identity_of(synthesizer("perturb", share=0.5)) == identity_of("perturb:0.5")
    assert identity_of(synthesizer("cart")) != identity_of(synthesizer("cart", min_leaf=9))


# how they are written


def test_synthesizer__settings_follow_the_name_or_are_keywords():
    written = synthesizer("cart?order=fewest&min_leaf=7")
    assert (written.order, written.min_leaf) == ("fewest", 7)
    assert synthesizer("cart?order=fewest", min_leaf=7) == written
    assert synthesizer("perturb:0.6") == synthesizer("perturb?share=0.6") == synthesizer("perturb", share=0.6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("card", r"there is no synthesizer 'card': did you mean cart\? there are"),
        ("sdv:CTGan", r"there is no synthesizer 'sdv:CTGan': did you mean sdv:CTGAN\? there are arf, cart, copy"),
        ("sdv:CTGAN?epoch=5", r"sdv:CTGAN has no setting 'epoch': did you mean epochs\? it has epochs, batch_size"),
        ("sdv:CTGAN?epochs=0", "epochs is '0', but input should be greater than 0"),
        ("sdv:CTGAN?epochs=many", "epochs is 'many', but input should be a valid integer"),
        ("sdv:CTGAN?batch_size=25", "batch_size is '25', but input should be a multiple of 10"),
        ("sdv:GaussianCopula?distribution=any", "distribution is 'any', but input should be 'beta', 'norm'"),
        ("nothing like it", "'nothing like it': there are arf, cart, copy"),
        (
            "cart?oder=given",
            r"cart has no setting 'oder': did you mean order\? it has order \(given or fewest\), smooth",
        ),
        ("cart?order=any", "order is 'any', but input should be 'given' or 'fewest'"),
        ("cart?min_leaf=0", "min_leaf is '0', but input should be greater than or equal to 1"),
        ("cart:5", "cart has no setting '5'"),
        ("copy?x=1", "copy has no setting 'x': it has none, so remove it"),
        ("perturb:1.5", "share is '1.5', but input should be less than or equal to 1"),
        ("perturb:", "share is '', but input should be a valid number"),
        ("perturb:half", "share is 'half', but input should be a valid number"),
    ],
)
def test_synthesizer__says_in_a_line_what_is_wrong(name, message):
    with pytest.raises(InputError, match=message) as refused:
        synthesizer(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "module"), [("cart", "sklearn"), ("arf", "sklearn"), ("sdv:TVAE", "sdv")])
def test_synthesizer__says_what_to_install(monkeypatch, name, module):
    monkeypatch.setattr("issodask.host.is_installed", lambda name: name != module)
    with pytest.raises(InputError, match=r"pip install 'issodask\[synthesizers\]'"):
        synthesizer(name)


def test_names__are_sorted():
    assert list(names()) == sorted(names())
    assert set(names()) >= {"arf", "cart", "copy", "perturb", "sdv:CTGAN", "sdv:GaussianCopula"}


# as the source of a pool


@pytest.mark.parametrize("source", ["cart", "perturb:0.3", "arf?trees=9", "sdv:Anything", "cart?order=fewest"])
def test_source__names_are_callable(source):
    assert is_callable_source(source)


@pytest.mark.parametrize("source", ["./cart", "cart/", "pool", "mostlyai", "somewhere/cart", "card"])
def test_source__others_are_folders(source):
    assert not is_callable_source(source)


def pool_from(source, table, folder, **options):
    config = GenerateConfig(source=source, generators=2, part_rows=100)
    with open_runtime(scheduler="serial") as runtime:
        return generate(table, config, 250, folder, 1, runtime, **options)


@pytest.mark.parametrize("source", ["cart", synthesizer("perturb", share=0.5)], ids=str)
def test_generate__makes_a_pool_with_a_synthesizer(tmp_path, source):
    pool = pool_from(source, awkward(200), tmp_path)
    assert (pool.n_rows, len(pool.parts)) == (250, 4)


def test_generate__gives_no_ids_to_learn(tmp_path):
    class Watching:
        def fit(self, original, seed):
            assert list(original) == ["number"]
            self.original = original

        def sample(self, n, seed):
            return self.original.sample(n, replace=True, random_state=seed)

    table = pd.DataFrame({"id": [f"person-{i}" for i in range(300)], "number": np.arange(300) % 7})
    assert pool_from(Watching(), table, tmp_path, columns={"id": "id"}).columns == ("number",)


def test_generate__a_misspelt_name_is_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"'card' is neither a folder nor a synthesizer: did you mean cart\?"):
        pool_from("card", awkward(50), tmp_path)


@pytest.mark.parametrize("source", ["cart", "perturb:0.2", "sdv:TVAE", synthesizer("copy")], ids=str)
def test_generate__groups_are_refused(tmp_path, source):
    table = pd.DataFrame({"key": [1, 1, 2, 2], "a": [1, 2, 3, 4]})
    with pytest.raises(InputError, match="makes single rows, but groups by 'key' are wanted"):
        pool_from(source, table, tmp_path, group_key="key")
    assert not list(tmp_path.iterdir())


def test_load__groups_of_ones_own_generator_are_its_own_matter():
    assert callable(load(lambda original, n, seed: original, "key"))


def test_par__takes_the_key_of_the_job():
    assert load("sdv:PAR", "person").group_key == "person"
    assert load("sdv:PAR?group_key=person").group_key == "person"
    with pytest.raises(InputError, match="sdv:PAR makes groups: give the group_key"):
        load("sdv:PAR")
    with pytest.raises(InputError, match=r"sdv:PAR[?]group_key=person is of other groups than those by 'household'"):
        load("sdv:PAR?group_key=person", "household")


# landmarks


def test_copy__shuffles_the_rows_and_begins_again():
    table = through_the_door(awkward(100))
    rows = drawn("copy", table, 250)
    assert rows["price €/m²"].value_counts().between(2, 3 * 100).all()
    assert not rows.head(100).equals(table)
    key = "price €/m²"
    pd.testing.assert_frame_equal(
        rows.head(100).sort_values(key, ignore_index=True, kind="stable")[[key]],
        table.sort_values(key, ignore_index=True, kind="stable")[[key]],
    )


def test_perturb__replaces_a_share_of_the_values():
    table = pd.DataFrame({name: np.arange(1_000) for name in "abcde"})
    for share in (0.0, 0.4, 1.0):
        rows = drawn(f"perturb:{share}", table, 4_000)
        kept = np.mean([(rows["a"] == rows[name]).mean() for name in "bcde"])
        assert kept == pytest.approx((1 - share) ** 2, abs=0.02)


# trees


def dependent(n_rows=1_500):
    random = np.random.default_rng(3)
    size = random.normal(size=n_rows)
    kind = np.array(["low", "middle", "high"])[np.digitize(size, [-0.5, 0.5])]
    price = np.where(random.random(n_rows) < 0.2, np.nan, np.exp(size) + (kind == "low") * 10)
    return pd.DataFrame({"size": size, "kind": kind, "price": price, "one": 1, "none": [None] * n_rows})


@pytest.mark.parametrize("name", ["cart", "cart?order=fewest"])
def test_cart__keeps_what_columns_have_to_do_with_each_other(name):
    table = dependent()
    rows = drawn(name, table, 3_000)
    kinds = rows.groupby("kind")["size"]
    assert kinds.min()["high"] >= 0.4
    assert kinds.max()["low"] <= -0.4
    assert rows.groupby("kind")["price"].min()["low"] > 10
    assert rows["price"].isna().mean() == pytest.approx(0.2, abs=0.04)
    assert set(rows["price"].dropna()) <= set(table["price"].dropna())
    assert (rows["one"] == 1).all()
    assert rows["none"].isna().all()


def test_cart__missing_values_depend_on_the_columns_before():
    table = dependent()
    table["price"] = table["price"].fillna(0).mask(table["kind"] == "high")
    rows = drawn("cart", table, 1_000)
    assert (rows["price"].isna() == (rows["kind"] == "high")).mean() > 0.99


def test_cart__smoothed_numbers_are_new_and_within_the_range():
    table = dependent().assign(count=lambda frame: np.exp(frame["size"]).round().astype(np.int64))
    rows = drawn("cart?smoothing=density", table, 1_000)
    assert rows["size"].isin(table["size"]).mean() < 0.05
    assert rows["size"].between(table["size"].min(), table["size"].max()).all()
    assert rows["count"].dtype == np.int64
    assert rows["price"].isna().mean() == pytest.approx(0.2, abs=0.05)


def test_cart__many_categories():
    random = np.random.default_rng(1)
    text = pd.Series(random.integers(0, 500, 2_000)).map("t{}".format)
    table = pd.DataFrame({"number": random.normal(size=2_000), "text": text, "same": text, "half": text.str[:2]})
    rows = drawn("cart", table, 2_000)
    assert set(rows["text"]) <= set(text)
    assert (rows["text"].str[:2] == rows["half"]).mean() > 0.7
