"""The pure core: values in, values out. No clock, no environment, no I/O, no random source.

Instants are integer milliseconds since the epoch (UTC), durations integer milliseconds: time
accounting then sums exactly, in any order.
"""
