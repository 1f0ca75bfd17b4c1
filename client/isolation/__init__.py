"""The wall between a hospital's two processes, the one thing that both of them know: one socket, allowed files, denied calls."""
