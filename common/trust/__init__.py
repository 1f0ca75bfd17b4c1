"""Who is who and who signed what: certificates, roster, statements and hash trees; keys come in."""
