"""Wiring: the only place where objects are built."""
