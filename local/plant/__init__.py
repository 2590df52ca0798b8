"""Simulated plants: machines with causes and effects, faults on purpose, and a record of what was true."""
