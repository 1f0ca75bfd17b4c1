"""What hospitals and server must agree on: opens no scan, and calls no other machine.

It listens only where a service gives ``http_server.py`` a socket: a Unix one, or of this machine.
"""
