"""Ingest on several machines: floors are partitions, each with one owner and a log that outlives him.

Docs: docs/decisions/0036. Only `bus` knows the NATS library; `wal` and `shares` are pure.
"""
