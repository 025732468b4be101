"""Tells people and programs outside the screens what was decided: a durable outbox, one courier per channel."""
