"""The command line: which commands there are, how results and progress look.

The work itself is elsewhere.
"""
