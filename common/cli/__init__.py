"""The command line: which commands there are, how results and progress look; the work itself is elsewhere."""
