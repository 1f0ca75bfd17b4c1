"""What hospitals and server must agree on: opens no scan, and listens only where ``http_server.py`` is told to.

That is a Unix socket or this machine's loopback; nothing in this room calls another machine.
"""
