"""Agreed rules: what hospitals and server must share. Nothing in this room opens a scan or a socket."""
