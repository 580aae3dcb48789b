"""What ``parse.format`` may be. ``records.parsers`` has one for each name; a test holds the two against each other."""

from __future__ import annotations

PARSERS = (
    *("json", "logfmt", "regex", "csv", "cri", "docker", "syslog", "syslog3164", "syslog5424"),
    *("nginx", "nginx_error", "apache", "apache_error", "haproxy", "log4j", "spring", "python", "klog"),
    *("postgres", "mysql", "redis"),
)

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Those of syslog, and the priorities of the journal; what has the number 0 comes first."""

ENVELOPES = PARSERS[4:9]
"""Those whose field ``message`` is the line of a program, which may have a format of its own."""
INNER = tuple(name for name in PARSERS if name not in ENVELOPES)
