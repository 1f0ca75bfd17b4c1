"""The server host: its processes, the proxy in front, enrolment, and the vectors beside messages.

It trains and adds nothing.
"""
