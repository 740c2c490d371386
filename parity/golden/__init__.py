"""What is left of the legacy when it is gone: its recordings of one small run, and a guard that holds the port against them."""
