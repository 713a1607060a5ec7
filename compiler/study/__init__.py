"""The metered handle an optimizer works through: store, budget, data, evaluation, verdict."""
