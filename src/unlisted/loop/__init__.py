"""The ten stations, in the order a message and a refusal meet them."""
