"""The view's JavaScript as one module, from the plain modules in ``js/``."""

import re
from pathlib import Path

_HERE = Path(__file__).parent / "js"
_ORDER = (
    "dom",
    "frame",
    "theme",
    "cells",
    "lettering",
    "pen",
    "grid",
    "rings",
    "map",
    "maptext",
    "bokeh",
    "legend",
    "series",
    "crosshair",
    "plotpicture",
    "pictures",
    "wall",
    "kindfilter",
    "journal",
    "totals",
    "inspector",
    "code",
    "timetools",
    "transport",
    "exports",
    "pending",
    "inputs",
    "readers",
    "receipt",
    "help",
    "lesson",
    "predict",
    "presetmenu",
    "share",
    "tuner",
    "view",
)
_STYLES = ("workbench", "time", "code", "wall", "lesson", "tuner")
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?(function|class|const|let))", re.MULTILINE)


def view_module() -> str:
    """One ES module whose default export has the view's ``render``.

    The files import each other by name, so they run and type-check as they are; here they share
    one scope, which is why no two of them may define the same name.
    """
    parts = [(_HERE / f"{name}.js").read_text(encoding="utf-8") for name in _ORDER]
    plain = [_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts]
    return "\n".join([*plain, "export default { render };"])


def view_css() -> str:
    """The workbench's style sheets."""
    return "\n".join((_HERE / f"{name}.css").read_text(encoding="utf-8") for name in _STYLES)
