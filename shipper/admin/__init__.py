"""What a running daemon can be asked: its status over HTTP.

- ``app``: the answers, as a WSGI application; it reads and changes nothing
- ``server``: waitress on a Unix socket in the state directory and, if it is configured, on a port
- ``guard``: who may ask over the port
- ``metrics``, ``page``, ``history``: the answers that need more than a line
- ``client``: asks from another process
"""
