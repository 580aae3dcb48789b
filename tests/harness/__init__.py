"""What the black-box tests stand on: brokers, the daemon as a child process, writers of logs, a judging consumer.

``kafka``     a real one-node Kafka behind a TCP proxy with faults
``mock``      librdkafka's mock cluster, for what needs no real broker
``daemon``    ``shipper run`` as a child process; its log lines are awaited, not slept for
``writer``    log files with unique lines, and what rotation does to them
``consumer``  what arrived, judged against what was written
``rig``       all of these for one test
``process``   stops a process in its tracks
``wait``      the one place that polls

Nothing here imports ``shipper``: the tests see only what a user sees.
"""
