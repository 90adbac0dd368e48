"""The data that a model is measured on: its shapes first, then, when these fit the model, its values."""
