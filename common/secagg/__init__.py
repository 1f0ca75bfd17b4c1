"""Secure sums: vectors are added up, and nobody, not even the server, sees a single one.

The protocol is that of Bonawitz 2017, active variant. The folder holds pure steps ``(state,
message) -> (state, reply)`` and arithmetic: no file, socket, clock or hidden randomness, no torch,
no Flower. Only ``primitives.py`` calls the cryptographic library.
"""
