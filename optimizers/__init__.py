"""The passes: one file an algorithm, the parts they share beside them."""
