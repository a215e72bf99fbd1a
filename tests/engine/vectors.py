"""The golden vectors, as parameters of tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conformance import replay

FOLDER = Path(replay.__file__).parent
FILES = tuple(FOLDER / name for name in ("handmade.jsonl.gz", "visible.jsonl.gz"))

SCENARIOS = [scenario for path in FILES for scenario in replay.read_scenarios(path)]


def each_scenario(test: Any) -> Any:
    """Run a test for each scenario of both files."""
    named = [pytest.param(scenario, id=scenario["id"]) for scenario in SCENARIOS]
    return pytest.mark.parametrize("scenario", named)(test)


def check(scenario: replay.Scenario) -> None:
    """Replay it: it must pass, unless the contract deliberately differs from the original."""
    verdict, remark = replay.judge(scenario, verbose=False)
    differs = replay.SKIPPED_TAGS.keys() & set(scenario.get("tags", []))
    assert verdict == ("skipped" if differs else "passed"), remark
