"""The data for measurements: first its shapes and, if they fit the model, its values."""
