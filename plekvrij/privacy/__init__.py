"""Papers about privacy, made from the running configuration, and an attack on it that anybody can run."""
