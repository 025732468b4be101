"""The page of the works council: what is measured, by which rules, how often it goes wrong. Never a single place."""
