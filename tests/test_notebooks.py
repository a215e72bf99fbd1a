"""Every notebook runs from its first cell to its last, is kept as it should be, and teaches."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from relaylab import resources

NOTEBOOKS = sorted(resources.notebooks().glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path.name < "10"]  # the course; the others are recipes
MOST_MINUTES = 20
PACE = 150  # words a minute, read slowly; a cell is run, and its result looked at, in a minute
WRONG = "check(-1)"

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    (found,) = (cell for cell in notebook.cells if cell.id == name)
    return found


def said(cell: nbformat.NotebookNode) -> str:
    """What a person reads below a cell."""
    shown = [output.get("text") or output["data"]["text/plain"] for output in cell.outputs]
    return "".join(shown).strip("'\"")


def test_there_are_the_lessons_and_the_page_of_the_demo() -> None:
    assert [path.name[:2] for path in LESSONS] == [f"{i:02}" for i in range(10)]
    assert "workbench.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_notebook
def test_a_notebook_runs_without_an_error_and_its_exercise_tells_right_from_wrong(
    path: Path, tmp_path: Path
) -> None:
    notebook = read(path)
    if path in LESSONS:
        notebook.cells.append(nbformat.v4.new_code_cell(WRONG, id="a-wrong-answer"))
    where = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=900, startup_timeout=240, resources=where)
    client.execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
    if path in LESSONS:
        assert said(cell(notebook, "exercise")).startswith("Put ")
        assert said(cell(notebook, "solution")).startswith("Right")
        assert not said(cell(notebook, "a-wrong-answer")).startswith(("Put", "Right"))
        assert said(cell(notebook, "a-wrong-answer"))


@every_notebook
def test_a_notebook_is_kept_without_its_outputs(path: Path) -> None:
    for one in read(path).cells:
        assert not one.get("outputs")
        assert one.get("execution_count") is None


@every_lesson
def test_a_lesson_begins_with_what_the_reader_will_know_and_how_long_it_takes(path: Path) -> None:
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    minutes = re.match(r"# .+\n\nIn about (\d+) minutes you will know\n\n\* ", first.source)
    assert minutes
    assert int(minutes[1]) <= MOST_MINUTES


@every_lesson
def test_a_lesson_can_be_read_and_run_in_that_time(path: Path) -> None:
    cells = read(path).cells
    words = sum(len(one.source.split()) for one in cells if one.cell_type == "markdown")
    run = sum(one.cell_type == "code" for one in cells)
    assert words / PACE + run <= MOST_MINUTES


@every_lesson
def test_a_lesson_has_one_exercise_and_a_folded_solution(path: Path) -> None:
    notebook = read(path)
    assert [one.source.splitlines()[0] for one in notebook.cells].count("## Exercise") == 1
    exercise, solution = cell(notebook, "exercise"), cell(notebook, "solution")
    assert exercise.source.startswith("answer = None\n")
    assert exercise.source.endswith("check(answer)")
    assert solution.metadata.jupyter.source_hidden
    assert solution.metadata.jupyter.outputs_hidden
    assert solution.source.startswith("# Solution\n")  # a folded cell shows its first line
    assert "check(" in solution.source
