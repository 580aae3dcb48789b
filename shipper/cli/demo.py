"""``demo``: the whole job on this machine."""

from __future__ import annotations

import click


@click.command()
@click.option("--seconds", type=click.FloatRange(min=5), help="How long to write and ship.  [default: 20]")
@click.option("--paths", multiple=True, metavar="GLOB…", help="Ship files of this machine instead of generated ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.argument("more", nargs=-1, metavar="")
def demo(seconds: float | None, paths: tuple[str, ...], more: tuple[str, ...], *, as_json: bool) -> int:
    """Show the whole job on this machine; nothing needs to be installed or configured.

    Starts an embedded broker, ships files while they grow and rotate, kills the daemon on the way, and verifies with a
    consumer that every line arrived. With --paths, ships what is in the machine's own files now and verifies that.
    """
    if more and not paths:
        raise click.UsageError(f"unexpected argument {more[0]!r}; to ship files of this machine, write --paths first")
    from shipper import demo

    # `more`: the shell has expanded an unquoted glob
    return demo.run(seconds=seconds, paths=paths + more, as_json=as_json)
