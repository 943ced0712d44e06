"""A message and a conversation: pure protocol, bytes in and values out. Knows no sockets."""
