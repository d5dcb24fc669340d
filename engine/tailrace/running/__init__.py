"""Running: what opens resources, and joins planning, delivery, snapshot and state into a run."""
