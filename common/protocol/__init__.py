"""What travels between coordinator and hospital: typed messages that either side checks; no socket, no file, no clock."""
