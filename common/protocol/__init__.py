"""What both sides say to each other, checked on both sides; nothing here reads a file or opens a socket."""
