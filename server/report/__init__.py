"""A finished run as one page and one JSON file.

It reads what the run wrote and asks no hospital.
"""
