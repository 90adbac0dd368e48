"""The paper's networks, their training, and the configuration of a run."""
