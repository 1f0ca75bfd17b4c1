"""A federation on one machine: the same two apps that are deployed, over folders that stand for hospitals; and hospitals to try them on.

Nothing in this room opens a scan. The phantoms are drawn from formulas and random numbers; no
person's image was used to make them.
"""
