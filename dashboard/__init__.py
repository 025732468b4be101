"""State and history -> people: wall screens, desk pages, staff pages and the JSON interface."""
