"""The socket: who can reach it, and that there is one plugin behind it."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from keymgmt.kms.endpoint import Endpoint, SocketInUse, SocketRefused


def bind(endpoint: Endpoint) -> socket.socket:
    """What a server does within `binding`."""
    made = socket.socket(socket.AF_UNIX)
    with endpoint.binding():
        made.bind(str(endpoint.path))
    made.listen()
    return made


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_only_our_user_can_connect(tmp_path: Path) -> None:
    """Directory 0700, socket 0600, lock 0600, whatever the umask; the umask itself is as before."""
    endpoint = Endpoint(tmp_path / "run" / "kms.sock")
    before = os.umask(0o000)
    try:
        with endpoint.alone(), bind(endpoint):
            assert mode(endpoint.path.parent) == 0o700
            assert mode(endpoint.path) == 0o600
            assert mode(endpoint.path.with_name("kms.sock.lock")) == 0o600
            assert os.umask(0o000) == 0o000
    finally:
        os.umask(before)
    assert not endpoint.path.exists()


def test_a_group_may_connect_too(tmp_path: Path) -> None:
    """With a group named: directory 0750, socket 0660, both the group's."""
    name = grp.getgrgid(os.getgid()).gr_name
    endpoint = Endpoint(tmp_path / "run" / "kms.sock", name)
    with endpoint.alone(), bind(endpoint):
        assert mode(endpoint.path.parent) == 0o750
        assert mode(endpoint.path) == 0o660
        assert endpoint.path.lstat().st_gid == os.getgid()
    with pytest.raises(SocketRefused, match="no group"), Endpoint(endpoint.path, "no-such-group").alone():
        pass


def test_a_second_plugin_is_refused(tmp_path: Path) -> None:
    """The socket of a running plugin is never taken over, nor the place of one that is about to bind."""
    endpoint = Endpoint(tmp_path / "run" / "kms.sock")
    with endpoint.alone(), pytest.raises(SocketInUse), Endpoint(endpoint.path).alone():
        pass
    with endpoint.alone(), bind(endpoint), pytest.raises(SocketInUse), Endpoint(endpoint.path).alone():
        pass


def test_another_program_behind_the_socket_is_left_alone(tmp_path: Path) -> None:
    """What answers without holding the lock is not taken over either."""
    path = tmp_path / "run" / "kms.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SocketInUse), Endpoint(path).alone():
            pass
    assert path.exists()


def test_what_a_killed_plugin_left_is_cleared(tmp_path: Path) -> None:
    """A socket nobody listens at is removed."""
    endpoint = Endpoint(tmp_path / "run" / "kms.sock")
    with endpoint.alone():
        bind(endpoint).close()
        os.link(endpoint.path, tmp_path / "kept")
    (tmp_path / "kept").rename(endpoint.path)  # as if it had not been removed
    with endpoint.alone(), bind(endpoint):
        assert endpoint.path.exists()


@pytest.mark.parametrize("bits", [0o755, 0o710, 0o777, 0o1777])
def test_a_directory_that_others_can_use_is_refused(tmp_path: Path, bits: int) -> None:
    """Neither search nor write for anybody else."""
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(bits)
    with pytest.raises(SocketRefused, match="mode 700"), Endpoint(folder / "kms.sock").alone():
        pass


def test_a_parent_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Whoever can rename the directory could put another in its place."""
    (tmp_path / "open" / "run").mkdir(parents=True, mode=0o700)
    (tmp_path / "open" / "run").chmod(0o700)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(SocketRefused, match="others can write"), Endpoint(tmp_path / "open/run/kms.sock").alone():
        pass


def test_links_are_refused(tmp_path: Path) -> None:
    """A link in place of the directory, on the way to it, or in place of the socket."""
    (tmp_path / "real" / "run").mkdir(parents=True)
    (tmp_path / "real" / "run").chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "run").symlink_to(tmp_path / "real" / "run")
    for path in (tmp_path / "link" / "run" / "kms.sock", tmp_path / "run" / "kms.sock"):
        with pytest.raises(SocketRefused), Endpoint(path).alone():
            pass
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / "real" / "run" / "kms.sock").symlink_to(victim)
    with pytest.raises(SocketRefused, match="no socket of yours"), Endpoint(tmp_path / "real/run/kms.sock").alone():
        pass
    assert victim.read_text() == "keep"


@pytest.mark.parametrize("path", ["kms.sock", "/run/../etc/kms.sock", "/" + "x" * 120])
def test_paths_that_cannot_be_sockets(path: str) -> None:
    """Relative, too long, or not what they seem."""
    with pytest.raises(SocketRefused):
        Endpoint(Path(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_somebody_else_cannot_connect(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The kernel refuses another user's connection, which is what peer credentials would be checked for."""
    endpoint = Endpoint(tmp_path_factory.mktemp("kms") / "run" / "kms.sock")
    with endpoint.alone(), bind(endpoint):
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            refused = socket.socket(socket.AF_UNIX).connect_ex(str(endpoint.path))
            os._exit(0 if refused else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
