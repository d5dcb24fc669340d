"""Small value types of the configuration: durations, limits, rates, secrets."""
