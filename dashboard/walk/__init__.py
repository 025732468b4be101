"""The installer's walk over a floor: each place is named, its signal awaited, and a sheet closes the work."""
