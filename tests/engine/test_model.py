"""The model that the engine is tested against agrees with the original C code."""

from __future__ import annotations

import model
import pytest
from conformance import replay
from engine.vectors import check, each_scenario


@each_scenario
def test_model_agrees_with_the_vectors(
    scenario: replay.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "relayfs", model)
    monkeypatch.setattr(replay, "unlocked_write", model.relay_write)
    check(scenario)
