"""Measures the daemon against the client's own limit and against other shippers, all in one run, on one broker.

`python -m bench` says what there is; `make bench`, `make fleet` and `make bench-guard` run it. Only ratios of one run
mean anything: contenders take turns, so other work on the machine meets all of them. Nothing here judges but the guard.

| module | its one job |
|---|---|
| `work` | makes log files and writes to them at a pace |
| `stage` | a broker, topics, counting what has arrived |
| `usage` | CPU, memory, wake-ups of a process with its children |
| `contenders` | who can be measured, how each is started |
| `throughput`, `latency`, `idle`, `restart` | one kind of work each |
| `fleet` | many daemons against one broker, and the arithmetic for ten thousand |
| `guard` | fails where the daemon has become slow beside a bare producer loop |
| `pumping` | the daemon's own work in a process of its own |
| `records` | what each feature of the record stage costs |
| `report` | tables and the chart |
"""
