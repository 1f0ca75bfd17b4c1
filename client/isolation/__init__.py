"""What separates a hospital's two processes: one socket, allowed files, denied system calls."""
