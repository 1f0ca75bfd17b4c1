"""What a hospital's people see of their own site, on the terminal and on a local page.

Reads what the worker and the gateway write anyway, and changes one thing only: the stop. Nothing
here is imported by worker or gateway, opens the scans, reads the worker's or the gateway's own log
of failures, or speaks to another machine.
"""
