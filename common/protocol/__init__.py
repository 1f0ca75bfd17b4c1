"""What both sides say to each other, checked on both sides.

Nothing here reads a file or opens a socket.
"""
