"""`python -m tests.docs`: what of the documentation is made from the program; `make docs` builds the site from it."""

import shutil
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@click.group()
def main() -> None:
    """The documentation's site."""


@main.command()
def pages() -> None:
    """Write the reference of commands, job file and modules; bring the examples' pictures."""
    from tests.docs.reference import pages

    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
    for picture in (ROOT / "examples").glob("*.png"):
        shutil.copy(picture, DOCS / "pictures")


@main.command()
def pictures() -> None:
    """Draw the pictures of the concepts again; they are committed."""
    from tests.docs.pictures import draw_all

    for path in draw_all(DOCS / "pictures"):
        click.echo(f"drawn     {path.relative_to(ROOT)}")


@main.command()
def study() -> None:
    """Write docs/study.md and its pictures from what `make study` measured; needs Chromium."""
    from tests.docs.study import page

    (DOCS / "study.md").write_text(page(), encoding="utf-8")


@main.command()
@click.argument("commits", nargs=-1)
def structure(commits: tuple[str, ...]) -> None:
    """Measure the structure: of COMMITS, and of today with what is behind its figures."""
    from tests.docs.structure import House, at_commit, details, table

    houses = {}
    for commit in commits:
        with at_commit(commit) as folder:
            houses[commit] = House.read(folder)
    today = House.read(ROOT)
    click.echo(table({**houses, "today": today}))
    click.echo("\n".join(["", *details(today)]))


@main.command()
@click.argument("names", nargs=-1)
def tutorials(names: tuple[str, ...]) -> None:
    """Run the tutorials (default: all) whose pages are not of now, and write these with their outputs."""
    from tests.docs.tutorials import TUTORIALS, make_page, sources

    for source in [TUTORIALS / f"{name}.py" for name in names] or sources():
        click.echo(f"tutorial  {source.stem}: {'run' if make_page(source, TUTORIALS) else 'as it was'}")


if __name__ == "__main__":
    main()
