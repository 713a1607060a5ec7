"""Running a graph: the interpreter, the pools, isolation of generated code."""
