"""A real PostgreSQL of our own: a throw-away cluster on a unix socket, stopped in any manner, and wires that break."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from audit.postgres.address import Address
from audit.verbs.sql import tables_since

BINARIES = Path("/usr/lib/postgresql/15/bin")
PORT = 5432  # names the socket only


def needed() -> None:
    """Skip without a server's programs; in CI that is a failure."""
    if not (BINARIES / "initdb").exists():
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL 15 is not installed: apt-get install postgresql-15")
        pytest.skip("PostgreSQL 15 is not installed")


class Server:
    """A cluster in a directory of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.data = self.home / "data"
        self._user = pwd.getpwnam("postgres").pw_uid if os.getuid() == 0 else os.getuid()
        os.chown(self.home, self._user, -1)
        self._run("initdb", "-D", str(self.data), "-U", "owner", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.configure("")

    def follow(self, primary: "Server") -> None:
        """Become a copy of another server that streams from it, before the first start."""
        shutil.rmtree(self.data)
        source = ["-h", str(primary.home), "-p", str(PORT), "-U", "owner"]
        self._run("pg_basebackup", *source, "-D", str(self.data), "-X", "stream", "-c", "fast", "--no-sync")
        (self.data / "standby.signal").touch()
        os.chown(self.data / "standby.signal", self._user, -1)
        self.configure(f"primary_conninfo='host={primary.home} port={PORT} user=owner application_name=standby'\n")

    def promote(self) -> None:
        """From now on it takes writes."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def configure(self, more: str) -> None:
        """The settings for the next start: small, no TCP, durable unless `more` says otherwise."""
        own = f"listen_addresses=''\nunix_socket_directories='{self.home}'\nport={PORT}\nshared_buffers=64MB\n"
        own += "max_connections=60\nfsync=on\nlog_min_messages=fatal\nrestart_after_crash=on\n"
        own += "recovery_init_sync_method=syncfs\n"  # else a start after a crash syncs each of thousands of files
        (self.data / "postgresql.auto.conf").write_text(own + more)

    def start(self) -> None:
        """Start and wait until it answers."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.home / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """`fast` as an operator does; `immediate` as a crash does: nothing is flushed, the next start recovers."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def restart(self, mode: str = "immediate") -> None:
        """Down and up again."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL of the postmaster; its children end by themselves."""
        pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 9)
        while _alive(pid) or self._children():
            time.sleep(0.02)

    def address(self, user: str = "replica", database: str = "log", host: Path | None = None) -> Address:
        """How a role gets in, perhaps over another socket."""
        return Address.parse(self.url(user, database, host))

    def url(self, user: str = "replica", database: str = "log", host: Path | None = None) -> str:
        """The same as text."""
        return f"postgresql://{user}@/{database}?host={host or self.home}&port={PORT}"

    def execute(self, statement: str, *, user: str = "owner", database: str = "log") -> list[tuple[object, ...]]:
        """One statement in a session of its own."""
        with psycopg.connect(self.url(user, database), autocommit=True) as session:
            cursor = session.execute(statement)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def create(self, database: str) -> None:
        """A database with our tables, and the role `replica` that may write."""
        self.execute(f"CREATE DATABASE {database}", database="postgres")
        with psycopg.connect(self.url("owner", database)) as session:
            session.execute(tables_since(0))  # type: ignore[call-overload]
        if not self.execute("SELECT rolname FROM pg_roles WHERE rolname = 'replica'", database="postgres"):
            self.execute("CREATE ROLE replica LOGIN", database="postgres")
            self.execute("GRANT bailiwick_writer TO replica", database="postgres")
            for role in ("reader", "eraser", "pruner"):
                self.execute(f"CREATE ROLE {role} LOGIN IN ROLE bailiwick_{role}", database="postgres")

    def remove(self) -> None:
        """Stop it, whatever its state, and remove everything."""
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.home)

    def _children(self) -> bool:
        found = subprocess.run(["pgrep", "-f", f"postgres.*{self.home}"], capture_output=True, check=False)
        return found.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(BINARIES / program), *arguments],
            user=self._user if os.getuid() == 0 else None,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )


def _alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


class Wire:
    """A unix socket between a replica and the server that can be cut, swallow an answer, or hang."""

    def __init__(self, server: Server) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="wire-", dir="/tmp"))
        self._target = str(server.home / f".s.PGSQL.{PORT}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.home / f".s.PGSQL.{PORT}"))
        self._listener.listen(16)
        self._open: list[socket.socket] = []
        self.swallow_after = b""  # once a request holds this, its answer is lost and the connection with it
        self.cut_before = b""  # once a request holds this, it is not delivered and the connection is cut
        self.swallowed = threading.Event()
        self.refuse = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Remove it."""
        self.refuse = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        shutil.rmtree(self.home)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.refuse:
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(self._target)
                except OSError:
                    near.close()
                    far.close()
                    continue
                self._open += [near, far]
                lost = threading.Event()
                threading.Thread(target=self._requests, args=(near, far, lost), daemon=True).start()
                threading.Thread(target=self._answers, args=(far, near, lost), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 20):
                if self.cut_before and self.cut_before in data:
                    self.cut_before = b""
                    self.swallowed.set()
                    break
                if self.swallow_after and self.swallow_after in data:
                    self.swallow_after = b""
                    lost.set()
                far.sendall(data)
        _end(near, far)

    def _answers(self, far: socket.socket, near: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            swallowed = b""
            while data := far.recv(1 << 20):
                if not lost.is_set():
                    near.sendall(data)
                    continue
                swallowed += data
                if b"COMMIT\0" in swallowed:  # done, and nobody will hear of it
                    self.swallowed.set()
                    break
        _end(near, far)
        near.close()
        far.close()


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def running() -> Iterator[Server]:
    """A server that runs, with a database `log`."""
    needed()
    server = Server()
    try:
        server.start()
        server.create("log")
        yield server
    finally:
        server.remove()
