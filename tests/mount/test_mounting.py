"""Mounting: where, what is there and when, what is refused, and what is left behind."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import relaylab
from relaylab import relayfs
from relaylab.relayfs.mounting import Mount
from relaylab.relayfs.server import Server

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def names(directory: Path | str) -> list[str]:
    """All paths below a directory, sorted."""
    top = Path(directory)
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def refused(number: int, fs: Any, point: Any) -> relaylab.FileError:
    """The error of a mount that must fail and change nothing."""
    before = {path: path.lstat().st_mode for path in Path(point).parent.rglob("*")}
    with pytest.raises(relaylab.FileError) as caught:
        fs.mount(point)
    assert caught.value.errno == number
    assert fs.mountpoint is None
    assert {path: path.lstat().st_mode for path in Path(point).parent.rglob("*")} == before
    assert relaylab.mounts() == []
    return caught.value


# Where


def test_by_default_it_is_a_private_directory_below_xdg_runtime_dir(
    fs: Any, runtime_directory: Path
) -> None:
    point = Path(fs.mount())
    assert fs.mountpoint == str(point)
    assert point.parent == runtime_directory / "relaylab"
    assert point.stat().st_mode & 0o777 == 0o700
    fs.unmount()
    assert fs.mountpoint is None
    assert not point.exists()


@pytest.mark.parametrize("given", [None, "", "missing"])
def test_without_a_runtime_directory_it_is_below_the_temporary_one(
    given: str | None, fs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    if given is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", given and str(tmp_path / given))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    point = Path(fs.mount())
    assert point.parent == tmp_path / f"relaylab-{os.geteuid()}"
    assert point.parent.stat().st_mode & 0o777 == 0o700
    assert [info.path for info in relaylab.mounts()] == [str(point)]
    fs.unmount()
    assert names(tmp_path) == [point.parent.name, f"{point.parent.name}/mounts"]


def test_a_runtime_directory_that_others_can_write_to_is_refused(
    fs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "relaylab").mkdir()
    (tmp_path / "relaylab").chmod(0o777)
    with pytest.raises(relaylab.FileError, match="not private") as caught:
        fs.mount()
    assert caught.value.errno == errno.EACCES
    with pytest.raises(relaylab.FileError, match="not private"):
        relaylab.mounts()


def test_a_runtime_directory_that_is_a_symlink_is_refused(
    fs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "relaylab").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(relaylab.FileError, match="not private"):
        fs.mount()
    assert names(tmp_path / "elsewhere") == []


def test_a_runtime_directory_nothing_can_be_made_in_is_an_error_of_its_own(
    fs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "relaylab").mkdir(mode=0o700)
    (tmp_path / "relaylab" / "mounts").touch()
    with pytest.raises(relaylab.RelayError):
        fs.mount()
    assert names(tmp_path) == ["relaylab", "relaylab/mounts"]


@pytest.mark.parametrize("kind", [str, Path])
def test_it_can_be_any_empty_directory_of_ones_own(kind: Any, fs: Any, point: Path) -> None:
    assert fs.mount(kind(point)) == str(point)
    [info] = relaylab.mounts()
    assert (info.path, info.pid, info.files) == (str(point), os.getpid(), ())
    fs.unmount()
    assert point.is_dir()
    assert relaylab.mounts() == []


def test_a_relative_mount_point_stays_where_it_was(fs: Any, point: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(point.parent)
    assert fs.mount("point") == str(point)
    monkeypatch.chdir("/")
    relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    assert names(point) == ["t0"]
    fs.unmount()
    assert names(point) == []


def test_paths_of_more_than_107_bytes_work(fs: Any, tmp_path: Path, peer: Any) -> None:
    point = tmp_path / ("d" * 200) / ("e" * 200)
    point.mkdir(parents=True)
    fs.mount(point)
    inner = relayfs.relayfs_create_dir("f" * 255, fs=fs)
    with relayfs.relay_open("g" * 254, inner, 64, 4, False, None, fs=fs) as chan:
        path = f"{point}/{chan.buffers[0].path}"
        reader = peer(path=path)
        reader.run("f = relaylab.open_file(path); f.mmap()")
        assert chan.buffers[0].refcount == 2
        reader.run("f.close()")
    fs.unmount()
    assert names(point) == []


# What is there


def test_names_appear_and_disappear_with_what_they_name(fs: Any, point: Path) -> None:
    fs.mount(point)
    outer = relayfs.relayfs_create_dir("outer", fs=fs)
    inner = relayfs.relayfs_create_dir("inner", parent=outer)
    assert names(point) == ["outer", "outer/inner"]
    chan = relayfs.relay_open("t", inner, 64, 4, False, None, fs=fs)
    top = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    assert names(point) == ["outer", "outer/inner", "outer/inner/t0", "t0"]
    assert relaylab.mounts()[0].files == ("outer/inner/t0", "t0")
    file = fs.open_file("t0")
    top.close()
    assert "t0" in names(point)
    file.close()
    assert names(point) == ["outer", "outer/inner", "outer/inner/t0"]
    chan.close()
    relayfs.relayfs_remove_dir(inner)
    relayfs.relayfs_remove_dir(outer)
    assert names(point) == []


def test_a_mount_shows_what_was_there_before(fs: Any, point: Path, peer: Any) -> None:
    outer = relayfs.relayfs_create_dir("outer", fs=fs)
    chan = relayfs.relay_open("t", outer, 64, 4, False, None, fs=fs)
    chan.write(bytes(64), cpu=0)
    chan.flush()
    fs.mount(point)
    assert names(point) == ["outer", "outer/t0"]
    reader = peer(path=f"{point}/outer/t0")
    assert reader.value("relaylab.open_file(path).subbufs_produced") == 1


@pytest.mark.parametrize("mask", [0, 0o077])
def test_a_mode_mask_does_not_matter(mask: int, fs: Any, point: Path, reader: Any) -> None:
    before = os.umask(mask)
    try:
        fs.mount(point)
        inner = relayfs.relayfs_create_dir("d", fs=fs)
        relayfs.relay_open("t", inner, 64, 4, False, None, fs=fs)
    finally:
        os.umask(before)
    assert not (point / "d").stat().st_mode & 0o022
    assert (point / "d" / "t0").stat().st_mode & 0o777 == 0o600
    reader.run("f = relaylab.open_file(path)", path=f"{point}/d/t0")
    fs.unmount()
    assert names(point) == []


def test_an_open_that_fails_leaves_no_name(fs: Any, point: Path) -> None:
    fs.mount(point)
    (point / "t0").touch()
    with pytest.raises(relaylab.EntryExistsError):
        relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    with pytest.raises(relaylab.EntryExistsError):
        relayfs.relayfs_create_dir("t0", fs=fs)
    assert fs.listdir() == []
    assert names(point) == ["t0"]


def test_unmounting_again_is_fine_and_mounting_again_works(fs: Any, point: Path) -> None:
    fs.unmount()
    for _ in range(3):
        fs.mount(point)
        relayfs.relay_open("t", None, 64, 4, False, None, fs=fs).close()
        fs.unmount()
        fs.unmount()
        assert names(point) == []


def test_unmounting_leaves_the_file_system_as_it_was(fs: Any, point: Path) -> None:
    chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    fs.mount(point)
    fs.unmount()
    assert fs.listdir() == ["t0"]
    assert chan.write(b"x", cpu=0)
    fs.mount(point)
    assert names(point) == ["t0"]


def test_closing_the_file_system_unmounts_it(point: Path) -> None:
    with relayfs.RelayFS(n_cpus=2) as fs:
        fs.mount(point)
        relayfs.relay_open("t", relayfs.relayfs_create_dir("d", fs=fs), 64, 4, False, None)
        assert names(point) == ["d", "d/t0", "d/t1"]
    assert names(point) == []
    assert relaylab.mounts() == []
    with pytest.raises(relaylab.ClosedError):
        fs.mount(point)


def test_a_process_that_just_ends_leaves_nothing(point: Path, runtime_directory: Path) -> None:
    program = """if True:
        import sys
        from relaylab import relayfs
        fs, other = relayfs.RelayFS(2), relayfs.RelayFS(2)
        fs.mount(sys.argv[1]), other.mount()
        relayfs.relay_open("t", relayfs.relayfs_create_dir("d", fs=fs), 64, 4, 0, None)
        relayfs.relay_open("t", None, 64, 4, 0, None, fs=other)
        sys.exit(3)
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(point)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert names(point) == []
    assert names(runtime_directory / "relaylab") == ["mounts"]


def test_mounts_lists_those_of_all_processes_by_path(fs: Any, tmp_path: Path, peer: Any) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    fs.mount(tmp_path / "b")
    other = peer(point=str(tmp_path / "a"))
    other.run("fs = relayfs.RelayFS(2); fs.mount(point)")
    other.run("chan = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)")
    found = relaylab.mounts()
    assert [(info.path, info.pid, info.files) for info in found] == [
        (str(tmp_path / "a"), other.pid, ("t0", "t1")),
        (str(tmp_path / "b"), os.getpid(), ()),
    ]
    assert found[1].since - found[0].since + 60 >= 0
    other.run("fs.close()")
    assert [info.pid for info in relaylab.mounts()] == [os.getpid()]


# What is refused


def test_a_missing_mount_point_is_refused(fs: Any, tmp_path: Path) -> None:
    error = refused(errno.ENOENT, fs, tmp_path / "nowhere")
    assert "does not exist" in str(error)


def test_a_mount_point_that_is_no_directory_is_refused(fs: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(errno.ENOTDIR, fs, tmp_path / "file")


def test_a_mount_point_that_is_a_symlink_is_refused(fs: Any, point: Path) -> None:
    link = point.parent / "link"
    link.symlink_to(point)
    assert "symlink" in str(refused(errno.ELOOP, fs, link))


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_mount_point_others_may_write_to_is_refused_with_the_command_that_helps(
    mode: int, fs: Any, point: Path
) -> None:
    point.chmod(mode)
    error = refused(errno.EACCES, fs, point)
    assert error.hint is not None
    _, _, command = error.hint.partition(": ")
    subprocess.run(command.split(), check=True)
    if mode & 0o1000:  # like /tmp: it has to stay as it is, and one makes a directory in it
        fs.mount(command.split()[-1])
    else:
        fs.mount(point)


def test_a_directory_for_everybody_is_refused_with_the_mkdir_to_run(fs: Any, point: Path) -> None:
    point.chmod(0o1777)
    error = refused(errno.EACCES, fs, point)
    assert error.hint is not None
    command = error.hint.removeprefix("Make one of your own in it: ")
    subprocess.run(command.split(), check=True)
    fs.mount(point / "relay")


def test_a_parent_others_may_write_to_is_refused_unless_it_is_sticky(fs: Any, point: Path) -> None:
    point.parent.chmod(0o777)
    error = refused(errno.EACCES, fs, point)
    assert "parent" in str(error)
    assert f"chmod go-w {point.parent}" in str(error.hint)
    point.parent.chmod(0o1777)
    fs.mount(point)


@pytest.mark.skipif(not AS_ROOT, reason="gives a directory away")
def test_a_mount_point_of_another_user_is_refused(fs: Any, point: Path) -> None:
    os.chown(point, 12345, 12345)
    assert "12345" in str(refused(errno.EACCES, fs, point))


def listening(path: Path) -> socket.socket:
    """A socket that somebody listens to."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = Path.cwd()
    os.chdir(path.parent)
    listener.bind(path.name)
    os.chdir(before)
    listener.listen()
    return listener


@pytest.mark.parametrize("what", ["file", "symlink", "directory", "full directory", "pipe"])
def test_a_mount_point_with_something_in_it_is_refused_and_left_alone(
    what: str, fs: Any, point: Path
) -> None:
    make: dict[str, Any] = {
        "file": lambda path: path.write_text("mine"),
        "symlink": lambda path: path.symlink_to("/"),
        "directory": lambda path: path.mkdir(),
        "full directory": lambda path: (path.mkdir(), (path / "file").touch()),
        "pipe": os.mkfifo,
    }
    make[what](point / "foreign")
    before = names(point)
    assert "'foreign" in str(refused(errno.ENOTEMPTY, fs, point))
    assert names(point) == before


def test_a_mount_point_with_a_listening_socket_is_refused_and_left_alone(
    fs: Any, point: Path
) -> None:
    with listening(point / "t0") as listener:
        refused(errno.ENOTEMPTY, fs, point)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(os.path.relpath(point / "t0"))
            listener.accept()[0].close()


def test_a_file_system_is_mounted_once(fs: Any, tmp_path: Path, point: Path) -> None:
    fs.mount(point)
    for other in (None, point, tmp_path):
        with pytest.raises(relaylab.FileError) as caught:
            fs.mount(other)
        assert caught.value.errno == errno.EBUSY
    assert fs.mountpoint == str(point)
    assert [info.path for info in relaylab.mounts()] == [str(point)]


def test_a_directory_is_mounted_on_once(fs: Any, point: Path, peer: Any) -> None:
    other = peer(point=str(point))
    other.run("fs = relayfs.RelayFS(1); fs.mount(point)")
    other.run("chan = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)")
    with pytest.raises(relaylab.FileError) as caught:
        fs.mount(point)
    assert caught.value.errno == errno.EBUSY
    assert fs.mountpoint is None
    assert names(point) == ["t0"]
    with relayfs.RelayFS(n_cpus=1) as second:  # nor twice by the same process
        fs.mount()
        with pytest.raises(relaylab.FileError) as caught:
            second.mount(fs.mountpoint)
        assert caught.value.errno == errno.EBUSY
    other.run("fs.unmount()")
    with relayfs.RelayFS(n_cpus=1) as third:
        third.mount(point)


@pytest.mark.parametrize("bad", [1, b"x", object(), ["x"]])
def test_a_mount_point_that_is_no_path_is_refused(bad: Any, fs: Any) -> None:
    with pytest.raises(relaylab.ConfigError):
        fs.mount(bad)


@pytest.mark.parametrize("bad", ["", "a\0b"])
def test_a_mount_point_that_cannot_be_a_path_is_refused(bad: str, fs: Any) -> None:
    with pytest.raises(relaylab.RelayError):
        fs.mount(bad)
    assert relaylab.mounts() == []


# What a killed owner leaves

OWNER = """
fs = relayfs.RelayFS(2)
fs.mount(point)
d = relayfs.relayfs_create_dir('d', fs=fs)
e = relayfs.relayfs_create_dir('e', parent=d)
if with_channels:
    chan = relayfs.relay_open('t', e, 64, 4, 0, None)
    top = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)
"""


def killed_owner(peer: Any, point: Path | None, with_channels: bool = True) -> str:
    """Where an owner had mounted that was killed."""
    owner = peer(point=None if point is None else str(point), with_channels=with_channels)
    owner.run(OWNER)
    where = str(owner.value("fs.mountpoint"))
    assert len(names(where)) == 2 + 4 * with_channels
    owner.kill()
    return where


@pytest.mark.parametrize("with_channels", [True, False])
def test_leftovers_of_a_killed_owner_are_cleaned_up_by_the_next_mount_there(
    with_channels: bool, fs: Any, point: Path, peer: Any
) -> None:
    killed_owner(peer, point, with_channels)
    fs.mount(point)
    assert names(point) == []
    assert [info.pid for info in relaylab.mounts()] == [os.getpid()]


@pytest.mark.parametrize("with_channels", [True, False])
@pytest.mark.parametrize("looking", ["mount", "mounts"])
def test_default_directories_of_killed_owners_go_with_the_next_look(
    looking: str, with_channels: bool, fs: Any, point: Path, peer: Any, runtime_directory: Path
) -> None:
    for _ in range(2):
        killed_owner(peer, None, with_channels)
    if looking == "mount":
        fs.mount(point)
        fs.unmount()
    else:
        assert relaylab.mounts() == []
    assert names(runtime_directory / "relaylab") == ["mounts"]


def test_leftovers_are_recognised_by_a_user_of_another_runtime_directory(
    fs: Any, point: Path, peer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    killed_owner(peer, point)
    (tmp_path / "other").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "other"))
    fs.mount(point)
    assert names(point) == []


def test_something_else_among_leftovers_is_refused_and_all_left_alone(
    fs: Any, point: Path, peer: Any
) -> None:
    killed_owner(peer, point)
    (point / "d" / "mine").write_text("text")
    before = names(point)
    with pytest.raises(relaylab.FileError, match="d/mine") as caught:
        fs.mount(point)
    assert caught.value.errno == errno.ENOTEMPTY
    assert names(point) == before
    assert (point / "d" / "mine").read_text() == "text"
    (point / "d" / "mine").unlink()
    fs.mount(point)
    assert names(point) == []


def test_something_else_in_a_killed_owners_default_directory_is_left_alone(
    fs: Any, peer: Any
) -> None:
    where = Path(killed_owner(peer, None))
    (where / "mine").write_text("text")
    fs.mount()
    assert (where / "mine").read_text() == "text"
    assert [info.path for info in relaylab.mounts()] == [fs.mountpoint]
    for path in sorted(where.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    where.rmdir()


def test_a_symlink_among_leftovers_leads_nowhere(
    fs: Any, point: Path, peer: Any, tmp_path: Path
) -> None:
    killed_owner(peer, point)
    (tmp_path / "elsewhere").mkdir()
    with listening(tmp_path / "elsewhere" / "socket"):
        pass  # now it is a dead one
    (point / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(relaylab.FileError, match="link"):
        fs.mount(point)
    assert names(tmp_path / "elsewhere") == ["socket"]


def test_damaged_entries_of_mounts_are_harmless(fs: Any, runtime_directory: Path) -> None:
    entries = runtime_directory / "relaylab" / "mounts"
    fs.mount()
    texts = [b"", b"[]", b"{}", b"\xff", b'{"path": 3}', b'{"path": "/"}', b"[" * 100_000]
    for number, text in enumerate(texts):
        (entries / f"1-{number}").write_bytes(text)
    try:
        assert [info.path for info in relaylab.mounts()] == [fs.mountpoint]
        with relayfs.RelayFS(n_cpus=1) as other:
            other.mount()
            assert len(relaylab.mounts()) == 2
    finally:
        for path in entries.glob("1-*"):
            path.unlink()


def test_a_mount_that_fails_while_a_reader_connects_ends(
    fs: Any, point: Path, reader: Any, monkeypatch: Any
) -> None:
    relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    relayfs.relay_open("u", None, 64, 4, False, None, fs=fs)
    accepted = threading.Event()
    add_file, welcome = Mount.add_file, Server._welcome

    def fail_at_the_second(mount: Any, path: str, buffer: Any) -> None:
        if path == "u0":
            reader.begin("try: relaylab.open_file(path)\nexcept OSError: pass", path=f"{point}/t0")
            assert accepted.wait(30)
            raise relaylab.ResourceError("no more", errno=errno.EMFILE)
        add_file(mount, path, buffer)

    def noted_welcome(server: Any, *arguments: Any) -> None:
        accepted.set()
        welcome(server, *arguments)

    monkeypatch.setattr(Mount, "add_file", fail_at_the_second)
    monkeypatch.setattr(Server, "_welcome", noted_welcome)
    with pytest.raises(relaylab.ResourceError, match="no more"):
        fs.mount(point)
    reader.end()
    assert names(point) == []
    assert fs.mountpoint is None
    assert relaylab.mounts() == []


def test_an_entry_that_names_no_absolute_directory_has_nothing_removed(
    fs: Any, runtime_directory: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    fs.mount()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    entries = runtime_directory / "relaylab" / "mounts"
    texts = ['{"pid": 1}', '{"path": ""}', '{"path": "."}', '{"path": "/a\\u0000b"}']
    for number, text in enumerate(texts):
        (entries / f"1-{number}").write_text(text)
    assert [info.path for info in relaylab.mounts()] == [fs.mountpoint]
    assert names(tmp_path) == ["mine"]
    assert len(names(entries)) == 1
