"""Who is who and who signed what: certificates, the roster, signed statements and hash trees.

Keys come in as arguments.
"""
