"""What CI and git run: workflow files are valid, and name commands that there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHECKER = Path(sys.executable).with_name("check-jsonschema")


def checked(schema, *paths):
    command = [CHECKER, "--builtin-schema", schema, *paths]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_workflows__are_valid_and_limit_their_time():
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        done = checked(schema, *WORKFLOWS)
        assert done.returncode == 0, done.stdout


def test_workflows__a_misspelt_key_is_found(tmp_path):
    path = tmp_path / "ci.yml"
    path.write_text(WORKFLOWS[0].read_text().replace("runs-on", "run-on", 1))
    assert checked("vendor.github-workflows", path).returncode != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows__make_what_there_is(path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    made = {target for text in steps for target in re.findall(r"\bmake ([a-z-]+)", text)}
    assert made <= targets()


def test_ci__checks_style_tests_and_documentation():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert {"lint", "quick", "test", "docs"} <= set(re.findall(r"run: make (\w+)", text))


def test_pre_commit__runs_programs_that_make_installs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    programs = {Path(hook["entry"].split()[0]).name for hook in hooks}
    assert programs == {"ruff", "mypy", "lint-imports"}
    assert all(Path(sys.executable).with_name(program).exists() for program in programs)
