"""A deterministic simulation of the daemon: thousands of histories a minute, each of them from one seed.

Real are discovery, census, intake, tailer, framing, ledger, checkpoint store and pump: all that decides what is sent
and saved. Stand-ins are the operating system (``disk``, ``kernel``), the brokers and their client (``brokers``), the
time, and the disk under the state directory (``state``). One thread, no waiting, nothing left to chance: a seed names a
history.

- ``acts`` makes the script of a history: data, a list of acts, each of which can be left out.
- ``world`` does the acts and knows what must come of them; ``daemon`` lets the daemon go its rounds.
- ``history`` runs a script and holds it against the promises; ``shrink`` makes it short; ``story`` tells it.
- ``plants`` are bugs that are put in on purpose: the simulator has to find them.

``python -m tests.sim --help`` runs it; docs/simulator.md says how to replay and shrink what it found.
"""
