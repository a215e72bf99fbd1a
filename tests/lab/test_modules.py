"""The view's JavaScript modules share one scope on the page."""

import re
from collections import Counter
from pathlib import Path

from relaylab.lab import esm

NAMED = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)


def test_no_two_modules_define_the_same_name():
    folder = Path(esm.__file__).parent / "js"
    names = Counter(
        name for file in folder.glob("*.js") for name in NAMED.findall(file.read_text("utf-8"))
    )
    assert len(names) > 50
    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_and_style_sheet_is_on_the_page():
    folder = Path(esm.__file__).parent / "js"
    scripts, styles = esm.view_module(), esm.view_css()
    for file in folder.iterdir():
        if file.suffix in (".js", ".css"):
            first = max(file.read_text("utf-8").splitlines(), key=len)
            assert first.removeprefix("export ") in scripts + styles, file.name
