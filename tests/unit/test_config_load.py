import contextlib
import gc
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipper.config import (
    Config,
    FileConfig,
    KafkaConfig,
    ParseConfig,
    ShipperConfig,
    TimestampConfig,
    load,
    state_dir,
)
from shipper.config.load import _Loader
from shipper.config.sources import MAX_LINE, RECORD_RESERVE
from shipper.errors import ConfigError, Exit

SHORTEST = """
[shipper]
state_dir = "/var/lib/shipper"
[kafka]
bootstrap_servers = "127.0.0.1:9092"
[sources.app]
paths = ["/var/log/app/*.log"]
topic = "logs"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write shipper.toml, and drop-ins by their names."""

    def write(text: str, **drop_ins: str) -> Path:
        (tmp_path / "shipper.toml").write_text(textwrap.dedent(text))
        for name, drop_in in drop_ins.items():
            (tmp_path / "conf.d").mkdir(exist_ok=True)
            (tmp_path / "conf.d" / f"{name}.toml").write_text(textwrap.dedent(drop_in))
        return tmp_path / "shipper.toml"

    return write


def problems(path: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(path, environ or {})
    assert error.value.exit_code == Exit.BAD_CONFIG
    assert all("\n" not in problem for problem in error.value.problems)
    return error.value.problems


def test_the_shortest_configuration_has_every_default(write: Write) -> None:
    path = write(SHORTEST)
    assert load(path, {}) == Config(
        shipper=ShipperConfig(Path("/var/lib/shipper"), 30.0, "info", "auto", 0, 30.0),
        kafka=KafkaConfig(
            "127.0.0.1:9092", "snappy", 0.0, 24 << 20, "murmur2_random", allow_auto_create_topics=False, properties={}
        ),
        sources={
            "app": FileConfig(
                name="app",
                type="file",
                paths=("/var/log/app/*.log",),
                exclude=(),
                topic="logs",
                key="{host}:{path}",
                start_at="beginning",
                ignore_older=0.0,
                watch="auto",
                partial_timeout=5.0,
                max_line=900 << 10,
                on_long_line="split",
                provenance="none",
            )
        },
        files=(path,),
    )


def test_every_key_can_be_set(write: Write) -> None:
    config = load(
        write("""
        [shipper]
        state_dir = "/s"
        shutdown_timeout = "1m30s"
        log_level = "debug"
        log_format = "json"
        max_open_files = 100
        scan_interval = "5s"
        [kafka]
        bootstrap_servers = ["a:9092", "SSL://b:9093", "[::1]:9092", "c"]
        compression = "zstd"
        linger = "50ms"
        max_in_flight = "64MiB"
        partitioner = "murmur2"
        allow_auto_create_topics = true
        retry_backoff = "50ms"
        retry_backoff_max = "2s"
        properties = { "socket.keepalive.enable" = true, "batch.size" = 5000, "linger.ms" = 0.5, "client.id" = "r1" }
        [sources."a.b_c-1"]
        type = "file"
        paths = ["/x/**/*.log", "/y/{a,b}/[!a]*.log"]
        exclude = ["*.gz", "/x/old/*"]
        topic = "t.{source}.{stem|filename}"
        key = "{dir}{{}}"
        start_at = "end"
        ignore_older = "7d"
        watch = "poll"
        partial_timeout = "0s"
        max_line = 4096
        on_long_line = "split"
        provenance = "headers"
        """),
        {},
    )
    assert config.shipper == ShipperConfig(Path("/s"), 90.0, "debug", "json", 100, 5.0)
    assert config.kafka == KafkaConfig(
        "a:9092,SSL://b:9093,[::1]:9092,c",
        "zstd",
        0.05,
        64 << 20,
        "murmur2",
        allow_auto_create_topics=True,
        retry_backoff=0.05,
        retry_backoff_max=2.0,
        properties={
            "socket.keepalive.enable": "true",
            "batch.size": "5000",
            "linger.ms": "0.5",
            "client.id": "r1",
        },
    )
    assert config.sources["a.b_c-1"] == FileConfig(
        name="a.b_c-1",
        paths=("/x/**/*.log", "/y/{a,b}/[!a]*.log"),
        exclude=("*.gz", "/x/old/*"),
        topic="t.{source}.{stem|filename}",
        key="{dir}{{}}",
        start_at="end",
        ignore_older=7 * 86400.0,
        watch="poll",
        partial_timeout=0.0,
        max_line=4096,
        provenance="headers",
    )


def test_the_sketch_of_check(write: Write) -> None:
    path = write(
        """
        [kafka]
        bootstrap_server = "127.0.0.1:9092"
        [shipper]
        state_dir = "/var/lib/shipper"
        shutdown_timeout = "30 parsecs"
        """,
        nginx="""
        [sources.nginx]
        paths = ["access.log"]
        topic = "logs.nginx"
        key = "{field.user}"
        """,
    )
    assert problems(path) == [
        'shipper.toml: kafka.bootstrap_server: unknown key; did you mean "bootstrap_servers"?',
        'shipper.toml: shipper.shutdown_timeout: "30 parsecs" is not a duration; write "30s", "5m" or "500ms"',
        'conf.d/nginx.toml: sources.nginx.paths: "access.log" is not absolute; write "/var/log/nginx/access.log"',
        (
            "conf.d/nginx.toml: sources.nginx.key: {field.user} needs a parser; "
            'write parse = { format = "json" }, or as your lines are'
        ),
    ]


def test_ten_mistakes_give_ten_messages(write: Write) -> None:
    path = write("""
        colour = "blue"
        [shipper]
        state_dir = "/s"
        log_level = "verbose"
        max_open_files = "many"
        scan_interval = 30
        [kafka]
        bootstrap_servers = "127.0.0.1:port"
        compression = "snapy"
        max_in_flight = "24M"
        [kafka.properties]
        acks = 1
        [sources.app]
        paths = ["/var/log/**.log"]
        """)
    assert problems(path) == [
        "shipper.toml: colour: unknown key; the file takes shipper, kafka, admin, sources",
        'shipper.toml: shipper.log_level: "verbose" is not "debug", "info", "warning" or "error"; write one of these',
        'shipper.toml: shipper.max_open_files: "many" is not a whole number; write a number, as 100',
        'shipper.toml: shipper.scan_interval: 30 has no unit; write "30s"',
        (
            'shipper.toml: kafka.bootstrap_servers: "127.0.0.1:port" is not a broker\'s address; '
            'write "HOST:PORT", as "kafka1:9092"'
        ),
        (
            'shipper.toml: kafka.compression: "snapy" is not "none", "gzip", "snappy", "lz4" or "zstd"; '
            'did you mean "snappy"?'
        ),
        'shipper.toml: kafka.max_in_flight: "24M" is not a size; write "24MiB", or "24MB" for powers of 1000',
        (
            'shipper.toml: kafka.properties.acks: "1" would break a promise: a record is acknowledged only when every '
            'in-sync replica holds it; leave it out, or write "all"'
        ),
        'shipper.toml: sources.app.topic: is missing; write topic = "logs"',
        (
            'shipper.toml: sources.app.paths: "/var/log/**.log" has "**" beside other characters; '
            '"**" stands alone: write "/var/log/**/*.log"'
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "key", "problem"),
    [
        ("multiline = { max_lines = 3 }", "multiline.start", "is missing: write one of"),
        (
            "multiline = { start = '^a', preset = \"java\" }",
            "multiline.start",
            "stands beside preset: write one of them (only start and end may stand together)",
        ),
        ("multiline = { start = '(' }", "multiline.start", '"(" is no regular expression'),
        ("multiline = { continuation = '(a+)+b' }", "multiline.continuation", "exponentially"),
        ("multiline = { preset = 'jawa' }", "multiline.preset", 'did you mean "java"?'),
        (
            "multiline = { indented = true, max_bytes = '2KiB' }\nmax_line = '1KiB'",
            "multiline",
            "max_bytes is 2,048 bytes, more than max_line, 1,024; write less, or 0",
        ),
        ("multiline = { indented = true }\ndelimiter = '|'", "delimiter", "stands beside multiline"),
        ("encoding = 'gb18030'\ndelimiter = '|'", "delimiter", '"|" cannot be found in "gb18030"'),
        ("parse = { format = 'cri' }\nmultiline = { indented = true }", "multiline", 'inside of lines of "cri"'),
        ("parse = { format = 'docker' }\ndelimiter = '|'", "delimiter", 'between lines of "docker"'),
    ],
)
def test_what_does_not_fit_together_in_how_files_are_cut(write: Write, lines: str, key: str, problem: str) -> None:
    (found,) = problems(write(SHORTEST.replace("[sources.app]", f"[sources.app]\n{lines}")))
    assert found.startswith(f"shipper.toml: sources.app.{key}: ")
    assert problem in found


@pytest.mark.parametrize(
    ("table", "line", "problem"),
    [
        ("shipper", "log_level = 3", '3 is not "debug", "info", "warning" or "error"; write one of these'),
        ("shipper", "max_open_files = true", "true is not a whole number; write a number, as 100"),
        ("shipper", 'max_open_files = "100"', '"100" is not a whole number; write 100, without quotes'),
        ("shipper", "max_open_files = -1", "-1 is too small; write at least 0"),
        ("shipper", 'scan_interval = "1ms"', '"1ms" is too short; write at least "100ms"'),
        ("shipper", 'shutdown_timeout = "2d"', '"2d" is too long; write at most "1d"'),
        ("shipper", "shutdown_timeout = false", 'false is not a duration; write "30s"'),
        ("shipper", "shutdown_timeout = nan", 'nan is not a duration; write "30s"'),
        ("shipper", "shutdown_timeout = 2026-11-23", '2026-11-23 is not a duration; write "30s"'),
        ("shipper", "shutdown_timeout.s = 3", 'a table is not a duration; write "30s"'),
        ("kafka", 'allow_auto_create_topics = "yes"', '"yes" is not a boolean; write true or false, without quotes'),
        ("kafka", "allow_auto_create_topics = 0", "0 is not a boolean; write true or false, without quotes"),
        ("kafka", "max_in_flight = 1000", '1000 is too small; write at least "1MiB"'),
        ("kafka", "max_in_flight = 1.5", '1.5 is not a size; write "64MiB" or "900KiB"'),
        ("kafka", 'linger = "1h"', '"1h" is too long; write at most "15m"'),
        ("kafka", 'partitioner = "random"', None),
        ("kafka", "properties = 5", "5 is not a table; write [kafka.properties]"),
        ("sources.app", 'type = "stdin"', '"stdin" is not "file" or "journald"; write one of these'),
        ("sources.app", 'start_at = "begining"', '"begining" is not "beginning" or "end"; did you mean "beginning"?'),
        ("sources.app", 'exclude = "*.gz"', '"*.gz" is not a list; write ["*.gz"]'),
        ("sources.app", "exclude = [1]", '1 is not a string; write "1"'),
        ("sources.app", 'exclude = [""]', '"" is empty; write a value, or leave the key out'),
        ("sources.app", 'exclude = ["old/"]', '"old/" names a directory; write "old/**"'),
        ("sources.app", 'exclude = ["a**b"]', None),
        ("sources.app", "key = 5", '5 is not a string; write "5"'),
        ("sources.app", 'key = ""', '"" is empty; write a value, or leave the key out'),
        ("sources.app", 'key = "{fliename}"', "{fliename} is not known; did you mean {filename}?"),
        ("sources.app", 'key = "{host"', '"{host" has a "{" without its "}"; write "{{" for the brace itself'),
        ("sources.app", 'key = "{}"', '"{}" is no name in braces; write it as {filename} or {filename|source}'),
        (
            "sources.app",
            'encoding = "klingon"',
            (
                '"klingon" is no encoding of text that Python knows; '
                'write a name as Python has it, as "utf-16", "cp1252"; or "bytes"'
            ),
        ),
        ("sources.app", 'encoding = "hz"', None),
        ("sources.app", 'delimiter = ""', '"" is empty; write a value, or leave the key out'),
        ("sources.app", 'on_long_line = "drop"', None),
        ("sources.app", "multiline = true", None),
        ("sources.app", 'max_line = "100B"', '"100B" is too small; write at least "1KiB"'),
        (
            "sources.app",
            'max_line = "1MiB"',
            (
                '"1MiB" does not fit into a message of 1,000,000 bytes with its key; '
                'write at most "900KiB", or raise "message.max.bytes" in [kafka.properties]'
            ),
        ),
    ],
)
def test_what_is_wrong_with_one_value(write: Write, table: str, line: str, problem: str | None) -> None:
    found = problems(write(SHORTEST.replace(f"[{table}]", f"[{table}]\n{line}")))
    name = line.split(" =")[0].split(".")[0]
    assert len(found) == 1
    assert found[0].startswith(f"shipper.toml: {table}.{name}: ")
    if problem is not None:
        assert found[0].removeprefix(f"shipper.toml: {table}.{name}: ") == problem


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("access.log", '"access.log" is not absolute; write "/var/log/app/access.log"'),
        ("./a.log", '"./a.log" is not absolute; write "/var/log/app/a.log"'),
        ("var/log/a.log", '"var/log/a.log" is not absolute; write "/var/log/a.log"'),
        ("/var/log/", '"/var/log/" names a directory; write "/var/log/*.log"'),
        ("/var/log/a**", '"/var/log/a**" has "**" beside other characters; "**" stands alone: write "/var/log/a*"'),
        ("/var/[log/a", '"/var/[log/a" has a "[" without its "]"; write "[[]" for the character itself'),
        ("/var/{log,{a}", '"/var/{log,{a}" has a "{" without its "}"; write "[{]" for the character itself'),
        ("/var/../a", '"/var/../a" holds "..", which no path that is found has; write "/a"'),
    ],
)
def test_what_is_wrong_with_a_path(write: Write, path: str, problem: str) -> None:
    assert problems(write(SHORTEST.replace("/var/log/app/*.log", path))) == [
        f"shipper.toml: sources.app.paths: {problem}"
    ]


def test_a_relative_path_is_put_beside_its_absolute_sibling(write: Write) -> None:
    found = problems(write(SHORTEST.replace('["/var/log/app/*.log"]', '["/srv/x/a.log", "b.log"]')))
    assert found == ['shipper.toml: sources.app.paths: "b.log" is not absolute; write "/srv/x/b.log"']


@pytest.mark.parametrize(
    "path", ["/a/[]x]*", "/a/[!]]*", "/a/[{]b", "/a/[[]b", "/a/**/**/*", "/a//b*", "/ä/{b/c,d}.log", "/a/**", "/a/./b"]
)
def test_paths_that_are_right(write: Write, path: str) -> None:
    assert load(write(SHORTEST.replace("/var/log/app/*.log", path)), {}).of_files["app"].paths == (path,)


@pytest.mark.parametrize(
    ("topic", "problem"),
    [
        ("logs/app", '"logs/app" holds "/", which no topic may have; write "logs-app"'),
        ("{source} logs", '"{source} logs" holds " ", which no topic may have; write "{source}-logs"'),
        ("logs.{path}", '{path} holds "/", which no topic may have; use {filename}, {stem} or {source}'),
        ("..", '".." is not a topic\'s name; write a name, as "logs"'),
        ("t" * 250, None),
        ("{source}" + "t" * 247, None),
        (
            "logs.{path.env}",
            ("{path.env} is no named group of path_pattern; write path_pattern with (?P<env>…)"),
        ),
    ],
)
def test_what_is_wrong_with_a_topic(write: Write, topic: str, problem: str | None) -> None:
    found = problems(write(SHORTEST.replace('"logs"', f'"{topic}"')))
    expected = problem or f'"{topic[:99]}…{topic[-9:]}" makes a topic of 250 characters; write at most 249'
    assert found == [f"shipper.toml: sources.app.topic: {expected}"]


@pytest.mark.parametrize("topic", ["a", "t" * 249, "{source}.{filename}", "A-Z_0.9", "..."])
def test_topics_that_are_right(write: Write, topic: str) -> None:
    assert load(write(SHORTEST.replace('"logs"', f'"{topic}"')), {}).sources["app"].topic == topic


@pytest.mark.parametrize(
    "line",
    [
        '"enable.idempotence" = false',
        '"acks" = 1',
        '"request.required.acks" = "0"',
        '"message.timeout.ms" = 300000',
        '"delivery.timeout.ms" = 1',
        '"delivery.report.only.error" = true',
        '"retries" = 3',
        '"max.in.flight" = 6',
        '"enable.gapless.guarantee" = "true"',
        '"queuing.strategy" = "lifo"',
        '"partitioner" = "random"',
        '"transactional.id" = "x"',
        '"dr_msg_cb" = "x"',
        '"queue.buffering.max.messages" = 10',
    ],
)
def test_a_property_that_would_break_a_promise(write: Write, line: str) -> None:
    found = problems(write(f"{SHORTEST}\n[kafka.properties]\n{line}"))
    assert len(found) == 1
    assert "would break a promise" in found[0] or "cannot be set" in found[0]


@pytest.mark.parametrize(
    "line",
    [
        '"enable.idempotence" = true',
        '"acks" = -1',
        '"acks" = "All"',
        '"message.timeout.ms" = 0',
        '"retries" = 2147483647',
    ],
)
def test_a_property_that_says_what_is_so_anyway(write: Write, line: str) -> None:
    assert len(load(write(f"{SHORTEST}\n[kafka.properties]\n{line}"), {}).kafka.properties) == 1


def test_properties_without_quotes(write: Write) -> None:
    assert problems(write(f'{SHORTEST}\n[kafka.properties]\nsasl.username = "a"\nsasl.password = "b"')) == [
        'shipper.toml: kafka.properties.sasl.username: a name with dots needs quotes here; write "sasl.username" = …',
        'shipper.toml: kafka.properties.sasl.password: a name with dots needs quotes here; write "sasl.password" = …',
    ]


def test_a_property_s_value_of_the_wrong_kind(write: Write) -> None:
    assert problems(write(f'{SHORTEST}\n[kafka.properties]\n"debug" = []\n"sasl.password" = ["geheim"]')) == [
        "shipper.toml: kafka.properties.debug: [] is not a property's value; write a string, a number, true or false",
        'shipper.toml: kafka.properties."sasl.password": the value is not a property\'s value',
    ]


def test_longer_lines_need_larger_messages(write: Write) -> None:
    text = SHORTEST + 'max_line = "4MiB"\n[kafka.properties]\n"message.max.bytes" = '
    assert load(write(text + str((4 << 20) + RECORD_RESERVE)), {}).sources["app"].max_line == 4 << 20
    assert len(problems(write(text + str((4 << 20) + RECORD_RESERVE - 1)))) == 1


def test_smaller_messages_need_shorter_lines(write: Write) -> None:
    text = SHORTEST + '[kafka.properties]\n"message.max.bytes" = '
    assert problems(write(text + "200000")) == [
        (
            'shipper.toml: sources.app.max_line: "900KiB", the default, does not fit into a message of 200,000 '
            'bytes with its key; write at most "121600B", or raise "message.max.bytes" in [kafka.properties]'
        )
    ]
    assert problems(write(text + "2000"))[0].endswith('; raise "message.max.bytes" in [kafka.properties]')
    assert problems(write(text + '"big"')) == [
        'shipper.toml: kafka.properties."message.max.bytes": "big" is not a number of bytes; write 1000000'
    ]
    assert MAX_LINE + RECORD_RESERVE == 1_000_000


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('tls = { ca = "ca.pem" }', 'tls.ca: "ca.pem" is not an absolute path; write "/etc/shipper/ca.pem"'),
        ('tls = { key = "/k" }', 'tls.ca: is missing; write ca = "/etc/shipper/ca.pem"'),
        (
            'tls = { ca = "system", certificate = "/c" }',
            'tls.certificate: needs its key; write key = "/etc/shipper/shipper.key"',
        ),
        (
            'tls = { ca = "system", key = "/k" }',
            'tls.key: means nothing without certificate; write certificate = "/etc/shipper/shipper.pem"',
        ),
        (
            'sasl = { mechanism = "SCRAM-SHA-512", username = "u" }',
            'sasl.password: is missing; SCRAM-SHA-512 needs it: write password = "${credential:kafka-password}"',
        ),
        (
            'sasl = { mechanism = "SCRAM-SHA-256", username = "u", password = "p", scope = "s" }',
            'sasl.scope: means nothing with mechanism = "SCRAM-SHA-256"; leave it out',
        ),
        (
            'sasl = { mechanism = "PLAIN", username = "u", password = "p" }',
            'sasl: PLAIN would send the password for all to read; write tls = { ca = "system" }, or another mechanism',
        ),
    ],
)
def test_what_is_wrong_with_the_short_forms_of_security(write: Write, line: str, problem: str) -> None:
    text = SHORTEST.replace("[kafka]", f"[kafka]\n{line}")
    assert problems(write(text)) == [f"shipper.toml: kafka.{problem}"]


def test_backoffs_fit_together(write: Write) -> None:
    assert problems(write(SHORTEST.replace("[kafka]", '[kafka]\nretry_backoff = "5s"'))) == [
        (
            'shipper.toml: kafka.retry_backoff: "5s" is longer than retry_backoff_max, "1s"; '
            "write a shorter one, or raise retry_backoff_max"
        )
    ]
    assert len(problems(write(SHORTEST.replace("[kafka]", '[kafka]\nretry_backoff_max = "5ms"')))) == 1


# Unknown and misplaced


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[kafak]", 'kafak: unknown key; did you mean "kafka"?'),
        ("[sources.app.x]", "sources.app.x: unknown key; [sources.app] takes paths, topic, type, "),
        ("[shipper.log-level]", 'shipper.log-level: unknown key; did you mean "log_level"?'),
        ('[metrics]\nlisten = ""', "metrics: unknown key; the file takes shipper, kafka, admin, sources"),
        ("[kafka.schedule]", "kafka.schedule: unknown key; [kafka] takes "),
        ('[kafka."linger.ms"]', 'kafka."linger.ms": unknown key; did you mean "linger"?'),
        ("[shipper.linger]", "shipper.linger: unknown key; it belongs in [kafka]"),
        ("[kafka.paths]", "kafka.paths: unknown key; it belongs in [sources.NAME]"),
        (
            "[sources.kafka]\nlinger='1s'\npaths=['/x']\ntopic='t'",
            "sources.kafka.linger: unknown key; it belongs in [kafka]",
        ),
        ("[state_dir]", "state_dir: unknown key; it belongs in [shipper]"),
        (
            "[sources.\"a b\"]\npaths=['/x']\ntopic='t'",
            'sources."a b": "a b" holds more than letters, digits, "_", "."',
        ),
        ('["odd\\nname"]', '"odd\\U0000000aname": unknown key; the file takes shipper, kafka, admin, sources'),
    ],
)
def test_unknown_keys(write: Write, text: str, problem: str) -> None:
    found = problems(write(SHORTEST, extra=text))
    assert len(found) == 1
    assert found[0].startswith(f"conf.d/extra.toml: {problem}")


def test_a_misspelt_table_is_not_missing_too(write: Write) -> None:
    assert problems(write(SHORTEST.replace("[kafka]", "[kafak]").replace("[sources.app]", "[source.app]"))) == [
        'shipper.toml: kafak: unknown key; did you mean "kafka"?',
        'shipper.toml: source: unknown key; did you mean "sources"?',
    ]


def test_tables_that_are_none(write: Write) -> None:
    path = write("shipper = 1\nkafka = [1]\n[sources]\npaths = ['/x']\nnginx = 'x'")
    assert problems(path) == [
        "shipper.toml: shipper: 1 is not a table; write [shipper]",
        "shipper.toml: kafka: [1] is not a table; write [kafka]",
        "shipper.toml: sources.paths: belongs to a source; write [sources.NAME] above it",
        'shipper.toml: sources.nginx: "x" is not a table; write [sources.nginx]',
    ]
    assert problems(write(SHORTEST.replace("[sources.app]", "[[sources]]"))) == [
        "shipper.toml: sources: [a table] is not a table; write [sources.NAME]"
    ]


def test_nothing_at_all(write: Write) -> None:
    assert problems(write("")) == [
        'shipper.toml: kafka.bootstrap_servers: is missing; write bootstrap_servers = "127.0.0.1:9092"',
        "shipper.toml: sources: there is no source; write [sources.NAME] with paths and topic",
    ]


def test_a_badly_named_source_is_checked_all_the_same(write: Write) -> None:
    assert problems(write(SHORTEST, a='[sources."ü"]\npaths = ["x"]')) == [
        'conf.d/a.toml: sources."ü": "ü" holds more than letters, digits, "_", "." and "-"; write [sources.-]',
        'conf.d/a.toml: sources."ü".topic: is missing; write topic = "logs"',
        'conf.d/a.toml: sources."ü".paths: "x" is not absolute; write "/var/log/ü/x"',
    ]


# Files


def test_drop_ins_merge_key_by_key_and_the_later_wins(write: Write, tmp_path: Path) -> None:
    path = write(
        SHORTEST,
        b='[sources.app]\ntopic = "b"\n[sources.two]\npaths = ["/y"]\ntopic = "two"',
        a='[sources.app]\ntopic = "a"\nkey = "{source}"\n[kafka.properties]\n"client.id" = "x"',
    )
    (tmp_path / "conf.d" / ".hidden.toml").write_text("no toml")
    (tmp_path / "conf.d" / "old.toml.bak").write_text("no toml")
    config = load(path, {})
    assert (config.sources["app"].topic, config.sources["app"].key) == ("b", "{source}")
    assert config.of_files["app"].paths == ("/var/log/app/*.log",)
    assert list(config.sources) == ["app", "two"]
    assert config.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert config.kafka.properties == {"client.id": "x"}
    assert config.files == (path, tmp_path / "conf.d/a.toml", tmp_path / "conf.d/b.toml")


def test_a_list_is_replaced_as_a_whole(write: Write) -> None:
    config = load(write(SHORTEST, a='[sources.app]\npaths = ["/other"]'), {})
    assert config.of_files["app"].paths == ("/other",)


def test_a_problem_names_the_file_that_its_value_came_from(write: Write) -> None:
    path = write(SHORTEST, a='[kafka]\nlinger = "x"', b='[kafka]\nlinger = "y"\nretry_backoff = "z"')
    assert [problem.split(" is not")[0] for problem in problems(path)] == [
        'conf.d/b.toml: kafka.linger: "y"',
        'conf.d/b.toml: kafka.retry_backoff: "z"',
    ]


def test_a_mistake_that_a_drop_in_puts_right_is_none(write: Write) -> None:
    assert (
        load(write(SHORTEST.replace('"logs"', '"lo gs"'), a='[sources.app]\ntopic = "t"'), {}).sources["app"].topic
        == "t"
    )


def test_what_is_no_toml_does_not_hide_the_other_files(write: Write) -> None:
    path = write('[shipper]\nstate_dir = "/s"\n', a="[kafka\n", b='[kafka]\nlinger = "x"', c="a = 1\na = 2")
    found = problems(path)
    assert [problem.split(": ")[0] for problem in found] == ["conf.d/a.toml", "conf.d/b.toml", "conf.d/c.toml"]
    assert "line 1, column 7" in found[0]
    assert found[1].startswith('conf.d/b.toml: kafka.linger: "x" is not a duration')
    assert "line 2, column" in found[2]


def test_a_broken_first_file_leaves_nothing_missing(write: Write) -> None:
    found = problems(write("[kafka", a='[sources.app]\ntopic = "x"'))
    assert len(found) == 1
    assert found[0].startswith("shipper.toml: is not valid TOML at line 1, column 7: ")


def test_bytes_that_are_no_text(write: Write) -> None:
    path = write(SHORTEST)
    path.write_bytes(b"# fine\n# \xe4rger\n")
    assert problems(path) == ["shipper.toml: is not UTF-8 text at line 2, column 3; save it as UTF-8"]
    path.write_bytes(b"\xef\xbb\xbf" + SHORTEST.encode())
    assert load(path, {}).sources["app"].topic == "logs"


def test_numbers_and_nesting_beyond_measure(write: Write) -> None:
    for text in ("a = " + "9" * 10_000, "a = " + "[" * 100_000):
        found = problems(write(text))
        assert len(found) == 1
        assert found[0].startswith("shipper.toml: is not valid TOML")


def test_files_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml") == [
        f"{tmp_path}/none.toml: there is no such file; write it, or name another"
    ]
    assert problems(tmp_path) == [f"{tmp_path}: is a directory; name the TOML file in it"]
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    assert problems(tmp_path / "loop.toml")[0].startswith(f"{tmp_path}/loop.toml: cannot be read: ")
    path = write(SHORTEST, a="")
    (tmp_path / "conf.d" / "gone.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "conf.d" / "sub.toml").mkdir()
    assert problems(path) == [
        "conf.d/gone.toml: there is no such file; write it, or name another",
        "conf.d/sub.toml: is a directory; name the TOML file in it",
    ]


def test_conf_d_that_is_no_directory(write: Write, tmp_path: Path) -> None:
    (tmp_path / "conf.d").write_text("")
    assert problems(write(SHORTEST)) == ["conf.d: cannot be listed: Not a directory"]


# The environment


def test_the_state_directory_of_systemd(write: Write) -> None:
    path = write(SHORTEST.replace('state_dir = "/var/lib/shipper"', ""))
    assert load(path, {"STATE_DIRECTORY": "/run/a:/run/b"}).shipper.state_dir == Path("/run/a")
    assert load(path, {}).shipper.state_dir == Path("/var/lib/shipper")  # where the unit has it: for the other commands
    assert problems(path, {"STATE_DIRECTORY": "a"}) == [
        'shipper.toml: shipper.state_dir: $STATE_DIRECTORY: "a" is not an absolute path; write "/a"'
    ]
    assert load(write(SHORTEST), {"STATE_DIRECTORY": "/run/a"}).shipper.state_dir == Path("/var/lib/shipper")


def test_values_from_the_environment(write: Write) -> None:
    text = SHORTEST.replace("127.0.0.1:9092", "${BROKERS}").replace("/var/log/app", "${DIR:-/x}")
    text = text.replace("[shipper]", '[shipper]\nmax_open_files = "${N}"').replace(
        "[kafka]", '[kafka]\nallow_auto_create_topics = "${B}"\nlinger = "${L:-1s}"'
    )
    config = load(write(text), {"BROKERS": "a:1,b:2", "N": "77", "B": "true"})
    assert config.kafka.bootstrap_servers == "a:1,b:2"
    assert config.of_files["app"].paths == ("/x/*.log",)
    assert config.shipper.max_open_files == 77
    assert config.kafka.allow_auto_create_topics is True
    assert config.kafka.linger == 1.0
    assert problems(write(text), {"BROKERS": "", "N": "x", "L": "5"}) == [
        'shipper.toml: shipper.max_open_files: "x" (from "${N}") is not a whole number; write a number, as 100',
        "shipper.toml: kafka.allow_auto_create_topics: ${B} is not in the environment; set it, or write ${B:-DEFAULT}",
        'shipper.toml: kafka.linger: "5" (from "${L:-1s}") has no unit; write "5s", "5m" or "5ms"',
        (
            'shipper.toml: kafka.bootstrap_servers: "" (from "${BROKERS}") is not a broker\'s address; '
            'write "HOST:PORT", as "kafka1:9092"'
        ),
    ]


def test_a_secret_is_in_no_sentence(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim/{x}\n")
    text = SHORTEST.replace('"logs"', f'"${{file:{tmp_path}/secret}}"').replace(
        "[kafka]", f'[kafka]\ncompression = "${{file:{tmp_path}/secret}}"'
    )
    text += f'[kafka.properties]\n"acks" = "${{file:{tmp_path}/secret}}"\n"sasl.password" = "${{file:/none}}"\n'
    text += '"ssl.key.password" = ["geheim${HOME}"]'
    found = problems(write(text), {"HOME": "/"})
    assert len(found) == 6  # the topic has two: the name and the slash
    assert not any("geheim" in problem or "{x}" in problem for problem in found)


def test_repr_holds_no_property(write: Write) -> None:
    config: Any = load(write(f'{SHORTEST}\n[kafka.properties]\n"sasl.password" = "geheim"'), {})
    assert "geheim" not in repr(config)
    assert config.kafka.properties["sasl.password"] == "geheim"


# --- parsers and times ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('parse = "json"', 'parse: "json" is not a table; write { format = "json" }'),
        ("parse = { pattern = '(?P<a>x)' }", 'parse.format: is missing; write format = "json"'),
        ('parse = { format = "jsn" }', 'parse.format: "jsn" is not "json", .* did you mean "json"?'),
        (
            'parse = { format = "json", pattern = "(?P<a>x)" }',
            'parse.pattern: means nothing with format = "json"; it belongs to "regex"',
        ),
        ('parse = { format = "regex" }', "parse.pattern: is missing; write pattern = "),
        (
            'parse = { format = "regex", pattern = "(x)" }',
            'parse.pattern: "(x)" has no named group, so there is no field; write one as (?P<name>…)',
        ),
        (
            'parse = { format = "regex", pattern = "a(?P<a>" }',
            'parse.pattern: "a(?P<a>" ',
        ),
        ('parse = { format = "csv" }', 'parse.columns: is missing; write columns = ["time", "level", "message"]'),
        (
            'parse = { format = "csv", columns = ["a", "b", "a"] }',
            'parse.columns: has "a" 2 times; write each name once',
        ),
        (
            'parse = { format = "csv", columns = ["a"], delimiter = ";;" }',
            'parse.delimiter: ";;" has 2 characters; write one',
        ),
        (
            'parse = { format = "csv", columns = ["a"], quote = "," }',
            "parse.quote: is the delimiter too; write another character",
        ),
        (
            'parse = { format = "nginx", message = "json" }',
            'parse.message: means nothing with format = "nginx", whose message is the end of its own format; it ',
        ),
        ('parse = { format = "cri", message = "regex" }', "parse.pattern: is missing; write pattern = "),
        ('parse = { format = "cri", message = "syslog" }', 'parse.message: "syslog" is '),
        (
            'timestamp = { field = "t" }',
            'timestamp: needs a parser; write parse = { format = "json" }, or as your lines are',
        ),
        (
            'parse = { format = "json" }\ntimestamp = { format = "rfc3339" }',
            'timestamp.field: is missing; write field = "time"',
        ),
        (
            'parse = { format = "json" }\ntimestamp = { field = "t", format = "rfc-3339" }',
            'timestamp.format: "rfc-3339" is not a format; did you mean "rfc3339"?',
        ),
        (
            'parse = { format = "json" }\ntimestamp = { field = "t", format = "%Y-%Q" }',
            'timestamp.format: "%Y-%Q" holds "%Q", which is not known; use %A %a',
        ),
        (
            'parse = { format = "json" }\ntimestamp = { field = "t", timezone = "Europe/Berln" }',
            'timestamp.timezone: "Europe/Berln" is no time zone that this machine knows; write it as "Europe/Berlin"',
        ),
    ],
)
def test_what_is_wrong_with_a_parser_or_a_time(write: Write, line: str, problem: str) -> None:
    (told,) = problems(write(SHORTEST + line))
    assert re.match(".*".join(map(re.escape, f"shipper.toml: sources.app.{problem}".split(" .* "))), told), told


def test_a_parser_and_a_time(write: Write) -> None:
    text = "parse = { format = 'regex', pattern = '(?P<t>\\d+)' }\ntimestamp = { field = 't', format = 'epoch' }"
    source = load(write(SHORTEST + text), {}).sources["app"]
    assert source.parse == ParseConfig("regex", pattern=r"(?P<t>\d+)")
    assert source.timestamp == TimestampConfig("t", "epoch")
    assert load(write(SHORTEST + "parse = {}\ntimestamp = {}"), {}).sources["app"].parse is None


def test_the_state_directory_is_found_in_whatever_else_is_wrong(tmp_path: Path) -> None:
    """Who asks a running daemon must not be kept from it by a mistake that was made since."""
    config = tmp_path / "shipper.toml"
    config.write_text(f'[shipper]\nstate_dir = "{tmp_path}"\nlog_level = 7\n[kafka]\nbootstrap_server = 7\n')
    assert state_dir(config, {}) == tmp_path
    config.write_text("[kafka]\nbootstrap_server = 7\n")
    assert state_dir(config, {"STATE_DIRECTORY": str(tmp_path)}) == tmp_path
    assert state_dir(config, {}) == Path("/var/lib/shipper")
    config.write_text("[kafka\n")
    with pytest.raises(ConfigError, match=r"shipper\.toml: "):  # which may have named another one
        state_dir(config, {})


@pytest.mark.parametrize("mistake", ["", 'key = "${NOBODY}"\nnonsense = 1\n'])
def test_nothing_of_a_configuration_that_was_read_waits_for_the_collector_of_cycles(write: Write, mistake: str) -> None:
    """A daemon may be told again and again to take over the same mistake."""
    path = write(SHORTEST + mistake)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(ConfigError):
            load(path, {})
        assert not [one for one in gc.get_objects() if isinstance(one, _Loader)]
    finally:
        gc.enable()
