"""Treadle compiles compound-AI programs."""
