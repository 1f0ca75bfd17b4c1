"""A federation on one machine: the two apps that are deployed, over folders that are hospitals.

With phantom hospitals to try them on. Nothing in here opens a scan. The phantoms are drawn from
formulas and random numbers; no person's image was used to make them.
"""
