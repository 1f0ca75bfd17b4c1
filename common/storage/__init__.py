"""How state reaches a disk so that it survives a kill at any instruction; nobody else locks, syncs or renames."""
