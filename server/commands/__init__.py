"""The coordinator's commands, ``consilium provision`` and ``consilium server ...``; no step of a round lives here."""
