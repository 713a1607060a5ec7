"""The intermediate representation: nodes, rules, rewrites, bounds and drawings."""
