"""The emitted JSON document: its schema, writing and loading."""
