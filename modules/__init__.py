"""The standard library of modules."""
