"""The programs that run on desk nodes. Python here is a tool for developers; the gateway imports nothing of it."""
