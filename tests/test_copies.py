"""The user's copies of the notebooks follow the bundled ones, and nobody's work is overwritten."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from relaylab.cli.copies import Told, bring_up_to_date


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    directory = tmp_path / "bundled"
    directory.mkdir()
    return directory


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine"


def write(path: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def change(path: Path, **into: Any) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].update(into)
    nbformat.write(notebook, path)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def done(told: Told) -> tuple[Any, ...]:
    return told.made, told.updated, told.kept, told.beside, told.same


def test_what_is_missing_is_copied_and_valid(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    told = bring_up_to_date(bundled, mine)
    assert done(told) == (["a.ipynb"], [], [], [], [])
    assert sources(mine / "a.ipynb") == ["1"]
    assert [path.name for path in mine.iterdir()] == ["a.ipynb"]
    assert str(mine) in told.lines()[0]
    assert "new: a.ipynb" in told.lines()[1]


def test_what_is_the_same_is_left_alone(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    bring_up_to_date(bundled, mine)
    before = (mine / "a.ipynb").stat()
    assert done(bring_up_to_date(bundled, mine)) == ([], [], [], [], ["a.ipynb"])
    assert (mine / "a.ipynb").stat() == before


def test_a_notebook_that_was_only_run_is_updated(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    bring_up_to_date(bundled, mine)
    shown = [nbformat.v4.new_output("stream", text="1")]
    change(mine / "a.ipynb", outputs=shown, execution_count=1)
    write(bundled / "a.ipynb", "2")
    told = bring_up_to_date(bundled, mine)
    assert done(told) == ([], ["a.ipynb"], [], [], [])
    assert sources(mine / "a.ipynb") == ["2"]
    assert "had not changed" in told.lines()[1]


def test_a_notebook_that_i_changed_is_kept(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    bring_up_to_date(bundled, mine)
    change(mine / "a.ipynb", source="mine")
    told = bring_up_to_date(bundled, mine)
    assert done(told) == ([], [], ["a.ipynb"], [], [])
    assert sources(mine / "a.ipynb") == ["mine"]
    assert [path.name for path in mine.iterdir()] == ["a.ipynb"]


def test_a_new_version_is_put_beside_the_one_that_i_changed(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    bring_up_to_date(bundled, mine)
    change(mine / "a.ipynb", source="mine")
    for version in ("2", "2", "3"):
        write(bundled / "a.ipynb", version)
        told = bring_up_to_date(bundled, mine)
        assert done(told) == ([], [], [], [("a.ipynb", "a.new.ipynb")], [])
        assert sources(mine / "a.ipynb") == ["mine"]
        assert sources(mine / "a.new.ipynb") == [version]
        assert "relaylab's new one is a.new.ipynb" in told.lines()[1]
    assert len(list(mine.iterdir())) == 2


def test_what_i_made_of_the_new_one_is_kept_too(bundled: Path, mine: Path) -> None:
    write(bundled / "a.ipynb", "1")
    bring_up_to_date(bundled, mine)
    change(mine / "a.ipynb", source="mine")
    write(bundled / "a.ipynb", "2")
    bring_up_to_date(bundled, mine)
    change(mine / "a.new.ipynb", source="mine, too")
    write(bundled / "a.ipynb", "3")
    told = bring_up_to_date(bundled, mine)
    assert told.beside == [("a.ipynb", "a.new-2.ipynb")]
    assert sources(mine / "a.new.ipynb") == ["mine, too"]
    assert sources(mine / "a.new-2.ipynb") == ["3"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\x00", b'{"cells": 1}'])
def test_a_file_of_that_name_that_is_no_copy_is_nobodys_to_overwrite(
    bundled: Path, mine: Path, content: bytes
) -> None:
    write(bundled / "a.ipynb", "1")
    mine.mkdir()
    (mine / "a.ipynb").write_bytes(content)
    assert bring_up_to_date(bundled, mine).beside == [("a.ipynb", "a.new.ipynb")]
    assert (mine / "a.ipynb").read_bytes() == content


def test_an_unmarked_copy_of_what_is_bundled_is_as_good_as_one_of_ours(
    bundled: Path, mine: Path
) -> None:
    mine.mkdir()
    for directory in (bundled, mine):
        write(directory / "a.ipynb", "1")
    assert bring_up_to_date(bundled, mine).same == ["a.ipynb"]
