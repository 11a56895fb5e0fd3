"""Options made from settings: all are there, under their names, and mean what a job file means by them."""

import pytest
from click.testing import CliRunner

from issodask.cli import main
from issodask.cli.settings import option_name, options_of
from issodask.config import EvaluateConfig, GenerateConfig, SelectConfig
from issodask.validation import validated
from tests.tables import biased_pool, mixed_table, narrow, write_pool

TABLES = {"csv"}  # settings that have settings of their own
SECTIONS = {"generate": GenerateConfig, "select": SelectConfig, "evaluate": EvaluateConfig}


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("section", SECTIONS)
def test_help__lists_every_setting_of_the_section(section):
    told = call(section, "--help").stdout
    for name, field in SECTIONS[section].model_fields.items():
        assert field.description
        assert (f" {option_name(name)} " in told) == (name not in TABLES)


@pytest.mark.parametrize(
    ("name", "option"),
    [("time_limit_s", "--time-limit"), ("max_training_time_min", "--max-training-time"), ("lanes", "--lanes")],
)
def test_option_name__is_the_settings_without_a_unit_of_time(name, option):
    assert option_name(name) == option


@pytest.mark.parametrize("section", SECTIONS)
def test_options__take_what_a_job_file_takes(section):
    for option in options_of(section):
        field = SECTIONS[section].model_fields[option.name]
        text = "3" if field.default is None else str(field.default)
        value = True if option.is_flag else option.type.convert(text, option, None)
        value = (value,) if option.multiple else value
        assert getattr(validated(SECTIONS[section], {option.name: value}, section), option.name) == value


def test_select__what_an_error_says_to_raise_is_an_option(tmp_path):
    original = narrow(mixed_table())
    original.to_parquet(tmp_path / "original.parquet")
    write_pool(tmp_path / "pool", narrow(biased_pool()))
    places = ["--original", tmp_path / "original.parquet", "--pool", tmp_path / "pool", "--out", tmp_path / "s.parquet"]
    done = call("select", *places, "--max-pairs", 0, "--workers", 1, "--memory-gb", 1e-6)
    assert done.exit_code == 2
    assert "[select] memory_gb is 1e-06: raise it, or lower units" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--oversize", 0.5, "select: oversize is 0.5, but input should be greater than or equal to 1"),
        ("--start", "anew", "select: start is 'anew', but input should be 'trim' or 'coherence'"),
        ("--lanes", 0, "select: lanes is 0, but input should be greater than 0"),
    ],
)
def test_select__a_bad_setting_is_told_in_one_line(option, value, told):
    done = call("select", "--original", "o", "--pool", "p", "--out", "s", option, value)
    assert done.exit_code == 2
    assert done.stderr == f"issodask: {told}\n"
