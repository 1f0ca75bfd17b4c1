"""Who is who and who signed what: certificates, the roster, signed statements and hash trees; keys come in as arguments."""
