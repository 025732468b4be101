"""The policy for staff: its text in both languages, where it is in force, what changed, and the stop switch."""
