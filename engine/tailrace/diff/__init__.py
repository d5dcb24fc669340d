"""The difference between the model's rows and what the destination last acknowledged."""
