"""Facts that times depend on: of this machine, and of what a loader has to do."""
