"""Attacks on secure aggregation, played against the code that runs at a hospital.

Every one has a control in which it must succeed.
"""
