"""Secure sums.

Hospitals' vectors are added up so that nobody, the server included, sees a single one (Bonawitz
2017, active variant).

What the folder promises: pure steps ``(state, message) -> (state, reply)`` and arithmetic. No file,
socket, clock or hidden randomness, no torch, no Flower. Only ``primitives.py`` calls the
cryptographic library.
"""
