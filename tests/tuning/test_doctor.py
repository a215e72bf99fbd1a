"""The doctor understands what tools print about lost events, and is honest about the rest.

Each file in `messages` is one case: a line per finding (tool, kind, how many or ?, of what, share
or ?), a line with the command to try next, if it matters, an empty line, and what was printed.
"""

import dataclasses
import io
import json
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relaylab
from relaylab.cli import main
from relaylab.tuning import Diagnosis, Loss

CASES = sorted((Path(__file__).parent / "messages").glob("*.txt"))
SUMMARY = "You have 1234 (  5.6%) dropped events"


def case(path: Path) -> tuple[list[str], str | None, str]:
    """What is to be found, the command to try next, and the text."""
    head, _, text = path.read_bytes().decode().partition("\n\n")
    *_, last = lines = head.splitlines()
    command = last.removeprefix("next: ") if last.startswith("next: ") else None
    return lines if command is None else lines[:-1], command, text


def short(found: Diagnosis) -> list[str]:
    """The findings as the cases write them."""
    return [
        " ".join(
            [
                finding.tool,
                finding.kind,
                "?" if finding.lost is None else str(finding.lost),
                finding.unit,
                "?" if finding.share is None else f"{finding.share:.4g}",
            ]
        )
        for finding in found.findings
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_message_is_understood(path: Path) -> None:
    expected, command, text = case(path)
    found = relaylab.doctor(text)
    assert short(found) == expected
    if command is not None:
        assert found.next_command == command


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_finding_says_what_it_means_and_what_to_do(path: Path) -> None:
    for finding in relaylab.doctor(case(path)[2]).findings:
        assert finding.meaning.endswith(".")
        assert finding.where
        assert finding.message
        assert "relaylab advise" in finding.record_command or "advise" in finding.record_command
        if finding.tool != "unknown" and finding.kind in (Loss.DROPPED, Loss.OVERWRITTEN):
            assert finding.knobs
            assert finding.knobs[0].next
            assert finding.next_command
        for knob in finding.knobs:
            assert knob.name
            assert knob.why


def test_every_tool_has_cases_of_what_it_can_lose() -> None:
    seen = {tuple(line.split()[:2]) for path in CASES for line in case(path)[0]}
    assert seen >= {
        *(("blktrace", kind) for kind in ("dropped", "none")),
        *(("stap", kind) for kind in ("dropped", "skipped")),
        *(("lttng", kind) for kind in ("dropped", "overwritten", "none")),
        *(("perf", kind) for kind in ("dropped", "none")),
        *(("ftrace", kind) for kind in ("dropped", "overwritten", "none")),
        *(("trace-cmd", kind) for kind in ("dropped", "overwritten")),
        *(("bpftrace", kind) for kind in ("dropped", "skipped")),
        *(("unknown", kind) for kind in ("unknown", "overwritten")),
    }


def test_dropped_overwritten_and_skipped_are_told_apart() -> None:
    meanings = {
        relaylab.doctor(text).kind: relaylab.doctor(text).meaning
        for text in (
            SUMMARY,
            "Lost packets: 310",
            "WARNING: Number of errors: 0, skipped probes: 24",
        )
    }
    assert "new" in meanings[Loss.DROPPED]
    assert "history" in meanings[Loss.OVERWRITTEN]
    assert "Larger buffers change nothing" in meanings[Loss.SKIPPED]


def test_the_same_text_gives_the_same_answer_with_plain_fields() -> None:
    found = relaylab.doctor(SUMMARY)
    assert found == relaylab.doctor(SUMMARY)
    assert repr(found) == repr(relaylab.doctor(SUMMARY))
    assert (found.tool, found.lost, found.share) == ("blktrace", 1234, 0.056)
    assert dataclasses.is_dataclass(found)
    assert json.loads(found.as_json())["findings"][0]["knobs"][0]["name"] == "-n"
    for field in ("tool", "kind", "lost", "share", "meaning", "knobs", "next_command"):
        assert json.loads(found.as_json())[field] == found.as_dict()[field] or field == "knobs"


def test_the_repr_is_for_a_tired_person() -> None:
    text = repr(relaylab.doctor(SUMMARY))
    first = text.splitlines()[0]
    assert first == "blktrace: 1,234 events dropped (5.6 % of all)"
    assert "-n: 4 -> 8" in text
    assert all(len(line) <= 140 for line in text.splitlines())


@pytest.mark.parametrize("text", ["", "  \n ", None, 5, b"You have", "x" * (17 << 20)])
def test_what_is_no_message_is_refused(text: object) -> None:
    with pytest.raises(relaylab.ConfigError, match="what a tracing tool printed"):
        relaylab.doctor(text)  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    if text.strip():
        found = relaylab.doctor(text)
        assert repr(found)
        assert found.findings


@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=3), st.data())
def test_any_pieces_of_messages_get_an_answer(paths: list[Path], data: st.DataObject) -> None:
    text = "\n".join(case(path)[2] for path in paths)
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : start + data.draw(st.integers(1, len(text)))]
    if piece.strip():
        assert repr(relaylab.doctor(piece))


@pytest.mark.parametrize("filler", [" ", "\n", "1", "1,", "a", "\t\n", "CPU:0 [", "Lost ", "> "])
def test_a_long_text_takes_time_in_proportion_to_its_length(filler: str) -> None:
    def seconds(n: int) -> float:
        start = time.process_time()
        relaylab.doctor("x" + filler * (n // len(filler)))
        return time.process_time() - start

    seconds(1000)
    # Quadratic time would be a factor of 64.
    assert seconds(160_000) < 30 * max(seconds(20_000), 0.01)


def test_the_command_answers_text_files_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.txt"
    path.write_text(SUMMARY)
    answers = []
    for words in ([SUMMARY], [str(path)], ["-"], []):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SUMMARY.encode())))
        assert main(["doctor", *words]) == 0
        answers.append(capsys.readouterr().out)
    assert answers == [answers[0]] * 4
    assert answers[0].startswith("blktrace: 1,234 events dropped")


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", SUMMARY]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lost"] == 1234
    assert found["kind"] == "dropped"


@pytest.mark.parametrize("words", [["no-such-file.txt"], ["./none"], [""], ["/"]])
def test_the_command_says_what_is_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("relaylab doctor: ")
    assert "Traceback" not in err


def test_lttng_is_told_the_domain_that_the_text_tells() -> None:
    lost = "[warning] Tracer discarded 5321 events between [1] and [2]"
    told = "# lttng enable-channel --kernel --num-subbuf=4 chan\n" + lost
    for text, domain, other in (
        (told, "--kernel", "--userspace"),
        (lost, "--userspace", "--kernel"),
    ):
        found = relaylab.doctor(text)
        for command in (found.next_command, found.record_command):
            assert domain in command
            assert other not in command
        assert ("in place of" in found.where) is (text is lost)
