"""What `make bench` runs: speed and memory as ratios, both sides measured in one run."""
