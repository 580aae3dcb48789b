"""Who can be measured: the daemon in both of its modes, a producer loop in C, and the shippers that Debian packages.

The others are unpacked from their packages, not installed, into a cache. Each has the settings that
its documentation recommends for this work: the same acks, idempotence and compression for all, one record a line, keyed
by file; a backlog may be batched (linger 50 ms), and for latency each has its own defaults.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka

from tests.harness.debian import CACHE, NotHere, unpacked

ROOT = Path(__file__).resolve().parents[1]

Command = list[str]


@dataclass(frozen=True, slots=True)
class Work:
    """What a contender is to do."""

    brokers: str
    topic: str
    logs: Path  # a directory: its *.log
    state: Path  # an empty directory for what the contender keeps
    batched: bool  # a backlog; otherwise its own defaults, for latency


@dataclass(frozen=True, slots=True)
class Contender:
    """One that can be measured."""

    name: str
    command: Callable[[Work], tuple[Command, dict[str, str]]]  # and what is added to its environment
    follows: bool = True  # whether it waits for more, and remembers how far it was
    one_file: bool = False


def start(contender: Contender, work: Work) -> subprocess.Popen[bytes]:
    """Start it; its output goes to a file in its state directory. It ends when this process does."""
    command, environment = contender.command(work)
    with open(work.state / "output", "ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **environment},
        )


def stop(process: subprocess.Popen[bytes], grace: float = 15) -> None:
    """End it as a service manager does."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- the daemon ------------------------------------------------------------------------------------------------------


def _shipper(delivery: str) -> Callable[[Work], tuple[Command, dict[str, str]]]:
    def command(work: Work) -> tuple[Command, dict[str, str]]:
        config = work.state / "shipper.toml"
        config.write_text(
            f'[shipper]\nstate_dir = "{work.state}"\n'
            f'[kafka]\nbootstrap_servers = "{work.brokers}"\ndelivery = "{delivery}"\n'
            f'[sources.logs]\npaths = ["{work.logs}/*.log"]\ntopic = "{work.topic}"\nkey = "{{filename}}"\n'
        )
        return [sys.executable, "-m", "shipper", "run", "-c", str(config)], {}

    return command


# --- the client's limit ----------------------------------------------------------------------------------------------


def _library() -> Path:
    """Return the librdkafka that the Python client brings: the limit is that of the same binary."""
    found = glob.glob(str(Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs" / "librdkafka*.so*"))
    if not found:
        raise NotHere("confluent-kafka is not a wheel with its own librdkafka")
    return Path(found[0])


def _producer(work: Work) -> tuple[Command, dict[str, str]]:
    binary, library = CACHE / "producer", _library()
    source = Path(__file__).with_name("producer.c")
    if not binary.exists() or binary.stat().st_mtime < max(source.stat().st_mtime, library.stat().st_mtime):
        if shutil.which("gcc") is None or not Path("/usr/include/librdkafka/rdkafka.h").exists():
            raise NotHere("no gcc or no librdkafka/rdkafka.h; on Debian: apt-get install gcc librdkafka-dev")
        CACHE.mkdir(parents=True, exist_ok=True)
        build = ["gcc", "-O2", "-Wall", "-o", str(binary), str(source), str(library), f"-Wl,-rpath,{library.parent}"]
        subprocess.run(build, check=True)
    log = next(iter(sorted(work.logs.glob("*.log"))))
    return [str(binary), work.brokers, work.topic, str(log), log.name], {}


# --- others, from Debian's packages ----------------------------------------------------------------------------------


def _libraries(root: Path) -> str:
    machine = f"{os.uname().machine}-linux-gnu"
    return f"{root}/usr/lib/{machine}:{root}/lib/{machine}:{root}/usr/lib/syslog-ng"


_TUNED = {
    "compression.codec": "snappy",
    "enable.idempotence": "true",
    "queue.buffering.max.ms": "50",
    "queue.buffering.max.messages": "1000000",
    "queue.buffering.max.kbytes": "262144",
    "batch.num.messages": "10000",
    "batch.size": "1000000",
}
_SAFE = {"compression.codec": "snappy", "enable.idempotence": "true"}


def _rsyslog(work: Work) -> tuple[Command, dict[str, str]]:
    root = unpacked("rsyslog", "rsyslog", "rsyslog-kafka", "librdkafka1", "libestr0", "libfastjson4", "liblognorm5")
    settings = ",".join(f'"{key}={value}"' for key, value in (_TUNED if work.batched else _SAFE).items())
    queue = 'queue.size="100000" queue.dequeueBatchSize="4096" ' if work.batched else ""
    config = work.state / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{work.state}" maxMessageSize="64k")\n'
        'module(load="imfile" mode="inotify")\nmodule(load="omkafka")\n'
        'template(name="raw" type="string" string="%msg%")\n'
        # The whole path: a regular expression for the file's name doubles the CPU of the job.
        'template(name="key" type="string" string="%$!metadata!filename%")\n'
        f'ruleset(name="ship" queue.type="LinkedList" {queue}queue.timeoutShutdown="30000") {{\n'
        f'  action(type="omkafka" broker=["{work.brokers}"] topic="{work.topic}" template="raw" key="key"\n'
        '    dynaKey="on" partitions.auto="on" resubmitOnFailure="on" keepFailedMessages="on"\n'
        '    action.resumeRetryCount="-1"\n'
        f'    failedMsgFile="{work.state}/failed" closeTimeout="30000"\n'
        f'    confParam=[{settings}] topicConfParam=["request.required.acks=-1"])\n}}\n'
        f'ruleset(name="own") {{ action(type="omfile" file="{work.state}/own.log") }}\nsyslog.* call own\n'
        f'input(type="imfile" file="{work.logs}/*.log" tag="f:" ruleset="ship" addMetadata="on" freshStartTail="off"\n'
        '  persistStateInterval="20000" maxSubmitAtOnce="1024")\n'
    )
    modules = f"{root}/usr/lib/{os.uname().machine}-linux-gnu/rsyslog"
    command = [f"{root}/usr/sbin/rsyslogd", "-n", "-iNONE", f"-M{modules}", "-f", str(config)]
    return command, {"LD_LIBRARY_PATH": _libraries(root)}


def _syslog_ng(work: Work) -> tuple[Command, dict[str, str]]:
    root = unpacked(
        "syslog-ng",
        *("syslog-ng-core", "syslog-ng-mod-rdkafka", "librdkafka1", "libivykis0", "libnet1", "libpcre3", "libwrap0"),
        *("libcap2", "libglib2.0-0", "libjson-c5"),
    )
    settings = "".join(
        f'      "{k}" => "{v}"\n' for k, v in {"acks": "all", **(_TUNED if work.batched else _SAFE)}.items()
    )
    fetch = "log-fetch-limit(10000) log-iw-size(1000000) " if work.batched else ""
    config = work.state / "syslog-ng.conf"
    config.write_text(
        "@version: 3.38\n"
        "options { use-dns(no); keep-hostname(yes); stats-freq(0); mark-freq(0); log-msg-size(65536); };\n"
        f'source files {{ wildcard-file(base-dir("{work.logs}") filename-pattern("*.log") max-files(100000)\n'
        f"  follow-freq(0.2) {fetch}flags(no-parse)); }};\n"
        f'destination kafka {{ kafka-c(bootstrap-servers("{work.brokers}") topic("{work.topic}")\n'
        '    key("$(basename $FILE_NAME)") message("${MESSAGE}") workers(1) log-fifo-size(1000000)\n'
        f"    flush-timeout-on-shutdown(30000)\n    config(\n{settings}    )); }};\n"
        "log { source(files); destination(kafka); flags(flow-control); };\n"
    )
    modules = next(iter(glob.glob(f"{root}/usr/lib/syslog-ng/*/")), "")
    command = [f"{root}/usr/sbin/syslog-ng", "--foreground", "--no-caps", "--cfgfile", str(config)]
    command += ["--persist-file", f"{work.state}/persist", "--pidfile", f"{work.state}/pid"]
    command += ["--control", f"{work.state}/ctl", "--module-path", modules]
    return command, {"LD_LIBRARY_PATH": _libraries(root)}


def _kcat(work: Work) -> tuple[Command, dict[str, str]]:
    root = unpacked("kcat", "kcat", "librdkafka1", "libyajl2")
    log = next(iter(sorted(work.logs.glob("*.log"))))
    settings = [part for key, value in {"acks": "all", **_TUNED}.items() for part in ("-X", f"{key}={value}")]
    command = [f"{root}/usr/bin/kcat", "-P", "-b", work.brokers, "-t", work.topic, "-k", log.name, *settings]
    return [*command, "-l", str(log)], {"LD_LIBRARY_PATH": _libraries(root)}


LIMIT = "producer in C"
SHIPPER = "shipper"
EXACTLY_ONCE = "shipper exactly_once"

CONTENDERS = {
    one.name: one
    for one in (
        Contender(LIMIT, _producer, follows=False, one_file=True),
        Contender(SHIPPER, _shipper("at_least_once")),
        Contender(EXACTLY_ONCE, _shipper("exactly_once")),
        Contender("rsyslog", _rsyslog),
        Contender("syslog-ng", _syslog_ng),
        Contender("kcat", _kcat, follows=False, one_file=True),
    )
}
