"""The report of a month: the same figures as the history page, to print and to send on. Never a single place."""
