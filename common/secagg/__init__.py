"""Secure sums: hospitals' vectors are added up and nobody, the server included, sees one.

After Bonawitz 2017, the active variant.

What the folder promises: pure steps ``(state, message) -> (state, reply)`` and arithmetic. No file,
socket, clock or hidden randomness, no torch, no Flower. Only ``primitives.py`` calls the
cryptographic library.
"""
