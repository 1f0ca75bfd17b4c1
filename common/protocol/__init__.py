"""What both sides say to each other, checked on both sides; no file, no socket."""
