"""The JSON interface, `/api/v1`: for other screens, for monitoring, for scripts."""
