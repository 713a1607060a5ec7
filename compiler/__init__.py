"""The language: declare, graph, run, trace, search, emit."""
