"""Phantom hospitals, drawn from formulas and random numbers and written as real files.

No person's image was used to make them.
"""
