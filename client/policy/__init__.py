"""The hospital's own word on what may leave it; nothing here asks the server."""
