"""From decorated functions to graphs: lowering of source, and host mode."""
