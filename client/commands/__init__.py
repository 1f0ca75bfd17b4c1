"""The hospital's commands, ``consilium site ...``: arguments in, calls of the other folders, words out; no rule of a round lives here."""
