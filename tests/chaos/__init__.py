"""Chaos: writers, rotations of all kinds, a daemon and a broker that fail at random moments, and then a verdict.

``python -m tests.chaos --minutes N --seed S``, or ``make chaos MINUTES=N``. The seed decides what each actor does and
how long it waits; as the actors are real processes and threads, how they meet is repeated only roughly.

``writers``  applications with their logs, and what rotates these
``configuration``  what the daemon is told
``faults``   what is done to the daemon and to the broker
``runs``     the daemon's runs, and which of them may explain that a line came twice
``stage``    all of these, from the start to the verdict
``actor``    a thread that acts until it is over

What must hold at the end, when all is healed: no line lost, none garbled, none under another key; the lines of a path
in their order by first delivery (those that a writer adds to a file after its successor has begun: in an order of their
own); a line twice only where the run that delivered it first was killed, or ended with records in flight.
"""
