"""Errors say what was passed, what is allowed and what to do, and are the built-in kinds too."""

import copy
import errno
import pickle

import numpy as np
import pytest

import relaylab
from relaylab import errors

KINDS: dict[type[errors.RelayError], type[Exception]] = {
    errors.ConfigError: ValueError,
    errors.EventTooLargeError: ValueError,
    errors.EntryExistsError: FileExistsError,
    errors.FileError: OSError,
    errors.ClosedError: ValueError,
    errors.ResourceError: OSError,
    errors.ReentrancyError: RuntimeError,
    errors.CallbackError: RuntimeError,
}
WITH_ERRNO = {
    errors.EntryExistsError: errno.EEXIST,
    errors.FileError: errno.ENOENT,
    errors.ResourceError: errno.ENOMEM,
}


def make(kind: type[errors.RelayError]) -> errors.RelayError:
    code = {"errno": WITH_ERRNO[kind]} if kind in WITH_ERRNO else {}
    return kind("base name", passed="a/b", allowed="no slash", hint="Use a parent.", **code)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_relay_error_and_the_built_in_one_and_public(
    kind: type[errors.RelayError],
) -> None:
    assert issubclass(kind, relaylab.RelayError)
    assert issubclass(kind, KINDS[kind])
    assert getattr(relaylab, kind.__name__) is kind
    assert kind.__name__ in relaylab.__all__


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_says_what_was_passed_what_is_allowed_and_what_to_do(
    kind: type[errors.RelayError],
) -> None:
    error = make(kind)
    assert str(error) == "base name: got 'a/b'; allowed: no slash. Use a parent."
    assert (error.what, error.passed, error.allowed, error.hint) == (
        "base name",
        "a/b",
        "no slash",
        "Use a parent.",
    )


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_copy_and_pickle(kind: type[errors.RelayError], again) -> None:  # type: ignore[no-untyped-def]
    error = make(kind)
    error.add_note("CPU 3")
    twin = again(error)
    assert type(twin) is kind
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
    assert getattr(twin, "errno", None) == getattr(error, "errno", None)


@pytest.mark.parametrize("kind", WITH_ERRNO)
def test_system_errors_carry_errno_and_still_read_well(kind: type[errors.RelayError]) -> None:
    error = make(kind)
    assert isinstance(error, OSError)
    assert error.errno == WITH_ERRNO[kind]
    assert error.filename == "a/b"
    assert error.strerror == str(error)
    assert "Errno" not in str(error)


def test_an_existing_entry_is_eexist_without_saying_so() -> None:
    assert errors.EntryExistsError("name exists", passed="cpu0").errno == errno.EEXIST


def test_the_text_is_what_and_nothing_more_when_nothing_more_is_known() -> None:
    assert str(errors.ClosedError("the channel is closed")) == "the channel is closed"
    assert str(errors.ConfigError("cpu", passed=None)) == "cpu: got None"


def test_an_error_keeps_no_buffer_alive_and_stays_short() -> None:
    buffer = np.zeros(10**6, np.uint8)
    error = errors.ConfigError("data", passed=memoryview(buffer))
    assert isinstance(error.passed, str)
    assert len(str(errors.ConfigError("data", passed=b"x" * 10**6))) < 300
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_repr_that_fails_does_not_hide_the_error() -> None:
    class Sick:
        def __repr__(self) -> str:
            raise RuntimeError("sick")

    assert "Sick" in str(errors.ConfigError("data", passed=Sick()))
