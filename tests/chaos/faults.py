"""What is done to the daemon and to the broker, each by an actor of its own, so that their troubles overlap."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random

from shipper.checkpoints import snapshot
from tests.chaos.actor import Actor, Journal
from tests.chaos.configuration import Configuration
from tests.chaos.runs import Run
from tests.harness.daemon import Daemon
from tests.harness.kafka import Broker


class DaemonTrouble(Actor):
    """Kills, stops, freezes and reloads the daemon, and starts it again; or kills it so many times and nothing else."""

    def __init__(
        self, config: Configuration, dice: Random, journal: Journal, over: threading.Event, *, kills: int = 0
    ) -> None:
        super().__init__("daemon", dice, journal, over)
        self._config = config
        self._kills = kills
        self.runs: list[Run] = []

    @property
    def run(self) -> Run:
        """The last run."""
        return self.runs[-1]

    def begin(self) -> Daemon:
        """Start a run; wait for nothing."""
        path = self._config.write(len(self.runs))
        saved = snapshot.read(self._config.state) if self.runs else {}
        began = time.time() * 1000
        self.runs.append(Run(Daemon(path), began, saved=saved))
        self.tell("started", f"run {len(self.runs) - 1}, pid {self.run.daemon.pid}")
        return self.run.daemon

    def stop(self) -> None:
        """End a run as an init system does."""
        self.run.daemon.stop()
        self.run.stopped()
        self.tell("stopped", f"run {len(self.runs) - 1}: {self.run.how}")

    def act(self) -> None:
        """Wait, then do one thing to the daemon."""
        if self._kills:
            self._kill_once()
            return
        self.pause(self.dice.choice((0.3, 1.5, 6.0, 10.0)))
        daemon = self.run.daemon
        assert daemon.running, f"the daemon ended by itself with {daemon.wait()}\n{daemon.log()}"
        way = self.dice.choice(("kill", "kill", "kill", "freeze", "freeze and kill", "stop", "stop", "reload"))
        if way in ("stop", "reload") and not daemon.told("service.starting"):
            return  # it does not listen to signals yet
        if "freeze" in way:
            daemon.pause()
            self.tell("frozen")
            self.pause(self.dice.choice((2.0, 8.0)))
        if way == "freeze":
            daemon.resume()
        elif way == "reload":
            daemon.reload()
            self.tell("reloaded")
        else:
            self._end(way)
            self.pause(self.dice.choice((0.0, 0.5, 3.0, 8.0)))
            self.begin()

    def _kill_once(self) -> None:
        self.pause(4.0)
        if self.over.is_set():
            return
        self._end("kill")
        self.begin()
        if len(self.runs) > self._kills:
            self.over.set()

    def _end(self, way: str) -> None:
        if way == "stop":
            self.stop()
        else:
            self.run.daemon.kill()
            self.tell("killed", f"run {len(self.runs) - 1}")

    def close(self) -> None:
        """Leave no process behind; keep what each said."""
        super().close()
        for number, run in enumerate(self.runs):
            run.daemon.clean_up()
            log = os.path.join(self._config.path.parent, f"daemon-{number:02}.log")
            with open(log, "w") as file:
                file.writelines(f"{line}\n" for line in run.daemon.output)


class BrokerTrouble(Actor):
    """Cuts and stalls the network between daemon and broker, freezes the broker, and kills it."""

    def __init__(self, broker: Broker, dice: Random, journal: Journal, over: threading.Event) -> None:
        super().__init__("broker", dice, journal, over)
        self._broker = broker
        proxy = broker.proxy
        self._troubles: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            ("cut off", proxy.cut, proxy.heal),
            ("cut off", proxy.cut, proxy.heal),
            ("stalled", proxy.stall, proxy.heal),
            ("answers stalled", partial(proxy.stall, requests=False), proxy.heal),
            ("requests stalled", partial(proxy.stall, answers=False), proxy.heal),
            ("answers lost", partial(proxy.stall, requests=False), self._lose),
            ("broker frozen", broker.pause, broker.resume),
            ("broker killed", broker.kill, broker.start),
        ]

    def act(self) -> None:
        """Wait, then let the broker be away for a while."""
        self.pause(self.dice.choice((2.0, 8.0)))
        name, begin, end = self.dice.choice(self._troubles)
        self.tell(name)
        begin()
        self.pause(self.dice.choice((0.5, 3.0, 10.0)))
        end()
        self.tell("healed", name)

    def _lose(self) -> None:
        """Drop what was on its way to the daemon."""
        self._broker.proxy.cut()
        self._broker.proxy.heal()
