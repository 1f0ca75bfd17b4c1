"""Every sentence that may leave a hospital, as a code with typed arguments.

No free text, no file, no socket.
"""
