"""Language models: the protocol, its providers, retries and limits."""
