"""What a running daemon can be asked: its status over HTTP, on a Unix socket in the state directory.

- ``app``: the answers, as a WSGI application; it reads and changes nothing
- ``server``: waitress on a socket, on a thread of its own
- ``client``: asks from another process
"""
