"""Every sample of code in the documentation works."""

from pathlib import Path

import click
import pytest

from issodask.errors import InputError
from tests.docs.samples import LANGUAGES, ROOT, Sample, check_commands, job_in, pages, samples_of

SAMPLES = [sample for page in pages() for sample in samples_of(page)]


def in_language(language: str) -> list[Sample]:
    return [sample for sample in SAMPLES if sample.language == language]


def pages_with_python() -> list[Path]:
    return list(dict.fromkeys(sample.page for sample in in_language("python")))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_samples__all_say_their_language():
    wrong = [str(sample) for sample in SAMPLES if sample.language not in LANGUAGES]
    assert wrong == []
    assert all(in_language(language) for language in LANGUAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with_python(), ids=name_of)
def test_python__runs_page_by_page(page, tables):
    names = {"__name__": "sample", **tables}
    for sample in samples_of(page):
        if sample.language == "python":
            exec(compile("\n" * sample.line + sample.code, page, "exec"), names)


@pytest.mark.parametrize("sample", in_language("sh"), ids=str)
def test_commands__are_such_that_the_program_reads(sample):
    check_commands(sample.code)


@pytest.mark.parametrize("sample", in_language("toml"), ids=str)
def test_job_files__are_valid(sample):
    job_in(sample.code)


@pytest.mark.parametrize(
    "line",
    [
        "issodask selekt --original a --pool b --out c",
        "issodask select --original a --pool b --out c --efort 3",
        "issodask select --original a --pool b --out c --effort much",
        "issodask cluster upp",
        "make demmo",
        "pip install issodask[al]",
        "rm -rf /",
    ],
)
def test_check_commands__finds_what_is_wrong(line):
    with pytest.raises((click.ClickException, ValueError)):
        check_commands(line)


def test_job_in__finds_what_is_wrong():
    with pytest.raises(InputError, match="efort"):
        job_in("[select]\nefort = 3\n")


def test_samples_of__finds_those_in_tabs_and_their_lines(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        '# A\n\n=== "One"\n\n    ```sh\n    make\n    ```\n\nText.\n\n```python\n1\n```\n', encoding="utf-8"
    )
    found = [(sample.line, sample.language, sample.code) for sample in samples_of(page)]
    assert found == [(5, "sh", "make\n"), (11, "python", "1\n")]
