"""The paper's networks, how they are trained, and what one run is."""
