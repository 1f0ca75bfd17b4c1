"""The coordinator's commands, ``consilium provision`` and ``consilium server ...``.

No step of a round lives here.
"""
