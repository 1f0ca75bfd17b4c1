"""Updates of many hospitals become one: screened, added exactly, unmasked as a sum.

A single masked vector is never looked at.
"""
