"""The user's copies of the notebooks: brought up to date, and never taken from whoever changed one.

A copy carries, in its metadata, of what it was copied. A notebook counts as changed if the text of
a cell was: having run it, with its outputs and the editor's metadata, is no change.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaylab.errors import FileError

_MARK = "relaylab"
_MOST_BESIDE = 100


@dataclass
class Told:
    """What was done, by the names of the files."""

    directory: Path
    made: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Changed by the user, and made of what is bundled now."""
    beside: list[tuple[str, str]] = field(default_factory=list)
    """Changed by the user and made of another version; the file that has the bundled one."""
    same: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [f"Your notebooks are in {self.directory}"]
        if self.made:
            lines.append(f"  new: {', '.join(self.made)}")
        if self.updated:
            lines.append(f"  updated, for you had not changed them: {', '.join(self.updated)}")
        if self.kept:
            lines.append(f"  kept as you changed them: {', '.join(self.kept)}")
        for mine, new in self.beside:
            lines.append(f"  {mine} is kept as you changed it; relaylab's new one is {new}")
        return lines


def bring_up_to_date(bundled: Path, to: str | os.PathLike[str]) -> Told:
    """Copy the notebooks of a directory to another one.

    What is missing is copied. A copy that the user has not changed is replaced if the bundled one
    is another by now. One that the user changed stays, and the bundled one, if it is another than
    what the user began with, is put beside it as ``NAME.new.ipynb``.

    Parameters
    ----------
    bundled : Path
        The directory of the notebooks that relaylab brings along.
    to : path-like
        The user's directory; it is made if it is missing.

    Returns
    -------
    Told
        What was done.

    Raises
    ------
    FileError
        The directory, or a file in it, cannot be read or written.
    """
    target = Path(to).expanduser()
    told = Told(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(bundled.glob("*.ipynb")):
            _place(notebook, target, told)
    except OSError as error:
        raise FileError(
            f"the notebooks cannot be copied ({error.strerror})",
            passed=str(to),
            errno=error.errno or 0,
            hint="Name a directory that you may write to, with --to.",
        ) from error
    return told


def _place(notebook: Path, target: Path, told: Told) -> None:
    fresh = json.loads(notebook.read_bytes())
    now = _fingerprint(fresh)
    name = notebook.name
    for path in (target / name for name in _names(notebook.stem)):
        is_beside = path.name != name
        if not path.exists():
            _write(path, fresh, now)
            (told.beside.append((name, path.name)) if is_beside else told.made.append(name))
            return
        mine = _read(path)
        text, origin = _fingerprint(mine), _origin(mine)
        if text == now:
            (told.beside.append((name, path.name)) if is_beside else told.same.append(name))
            return
        if origin == now:
            told.kept.append(path.name)
            return
        if text is not None and text == origin:
            _write(path, fresh, now)
            (told.beside.append((name, path.name)) if is_beside else told.updated.append(name))
            return


def _names(stem: str) -> list[str]:
    numbered = [f"{stem}.new-{number}.ipynb" for number in range(2, _MOST_BESIDE)]
    return [f"{stem}.ipynb", f"{stem}.new.ipynb", *numbered]


def _read(path: Path) -> Any:
    """The notebook, or None for what is none: that is the user's business, too."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _fingerprint(notebook: Any) -> str | None:
    """Of the kinds and texts of all cells."""
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    except (TypeError, KeyError):
        return None
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _origin(notebook: Any) -> str | None:
    """The fingerprint of what the notebook was copied of."""
    try:
        return str(notebook["metadata"][_MARK]["copied"])
    except (TypeError, KeyError):
        return None


def _write(path: Path, notebook: dict[str, Any], fingerprint: str | None) -> None:
    """All of it or nothing: whoever interrupts this keeps what was there."""
    metadata = notebook.get("metadata", {}) | {_MARK: {"copied": fingerprint}}
    text = json.dumps(notebook | {"metadata": metadata}, indent=1, ensure_ascii=False)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
