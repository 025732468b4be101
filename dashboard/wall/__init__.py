"""The screen at the entrance of a floor: which zone has room, which way to walk, and where else."""
