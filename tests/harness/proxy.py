"""A TCP proxy with faults: cut (drop and refuse), stall (take, but move nothing; in one direction too), heal.

One thread accepts, two move the bytes of each connection; ``close`` joins them all.
"""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Forwards ``127.0.0.1:listen`` to ``127.0.0.1:target`` until told otherwise."""

    def __init__(self, listen: int, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._refusing = False
        self._asking, self._answering = threading.Event(), threading.Event()  # whether bytes flow to, and from, target
        self._asking.set()
        self._answering.set()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", listen))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._spawn(self._accept)

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        with self._lock:
            self._refusing = True
            self._drop_all()
        self._flow()  # whoever was stalled finds its connection gone

    def stall(self, *, requests: bool = True, answers: bool = True) -> None:
        """Keep the connections, accept more, and move no byte; or none in one direction."""
        if requests:
            self._asking.clear()
        if answers:
            self._answering.clear()

    def heal(self) -> None:
        """Work again. What was stalled flows on."""
        with self._lock:
            self._refusing = False
        self._flow()

    def close(self) -> None:
        """End all threads and connections."""
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _flow(self) -> None:
        self._asking.set()
        self._answering.set()

    def _spawn(self, run: object, *args: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=args, name="proxy", daemon=True)
        self._threads = [t for t in self._threads if t.is_alive()] + [thread]
        thread.start()

    def _drop_all(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._connections |= {client, server}
                if self._refusing:
                    self._drop_all()
            self._spawn(self._move, client, server, self._asking)
            self._spawn(self._move, server, client, self._answering)

    def _move(self, source: socket.socket, sink: socket.socket, flowing: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # ends the other direction too
        with self._lock:
            if source in self._connections:
                self._connections.discard(source)
                source.close()
