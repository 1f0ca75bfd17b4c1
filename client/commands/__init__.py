"""The hospital's commands, ``consilium site ...``: arguments in, calls of other folders, words out.

No rule of a round lives here.
"""
