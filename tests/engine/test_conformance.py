"""The engine does what the original C code did, compiled or not, with any form of callbacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conformance import replay
from engine.compiled_client import CompiledClient, CompiledPort
from engine.vectors import FILES, check, each_scenario

from relaylab import relayfs


@each_scenario
def test_compiled_engine_agrees_with_the_vectors(scenario: replay.Scenario) -> None:
    check(scenario)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_uncompiled_engine_agrees_with_the_vectors(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, replay.__file__, path],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-2000:]
    assert ", 0 failed, " in run.stdout


class BuiltInClient(replay.Client):
    """Leaves the work of subbuf_start to the engine; nothing else is registered."""

    def callbacks(self, letters: str | None) -> Any:
        if letters is None or "S" not in letters:
            return None
        store_padding = bool(self.header) and self.start_reserve >= 4
        return relayfs.Callbacks.reserving(self.start_reserve, store_padding)


def run(scenario: replay.Scenario) -> tuple[list[Any], dict[int, list[Any]]]:
    """What is seen after each step, callbacks aside, and every channel's journal without times."""
    seen = []
    with replay.Port(scenario["n_cpus"]) as port:
        for step in scenario["steps"]:
            result: Any
            try:
                result = port.perform(step["op"])
            except Exception as error:
                result = type(error), getattr(error, "errno", None)
            after = port.observe(result)
            seen.append((after.result, after.buffers, after.files, sorted(port.released)))
        journals = {slot: chan.journal for slot, chan in port.channels.items()}
        records = {
            slot: [record[1:] for record in journal.read().tolist()]
            for slot, journal in journals.items()
        }
        assert [journal.dropped for journal in journals.values()] == [0] * len(journals)
    return seen, records


@pytest.mark.parametrize(
    ("client", "port"),
    [(BuiltInClient, replay.Port), (CompiledClient, CompiledPort)],
    ids=["built-in", "compiled"],
)
@each_scenario
def test_callbacks_of_any_form_give_the_same_states_and_journal_as_python_ones(
    scenario: replay.Scenario,
    client: type[replay.Client],
    port: type[replay.Port],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, expected_records = run(scenario)
    monkeypatch.setattr(replay, "Client", client)
    monkeypatch.setattr(replay, "Port", port)
    seen, records = run(scenario)
    for number, (one, other) in enumerate(zip(expected, seen, strict=True)):
        assert other == one, f"step {number} {scenario['steps'][number]['op']}"
    assert records == expected_records
