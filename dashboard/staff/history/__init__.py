"""The page about the past: how zones and places were used, from sums that the store makes."""
