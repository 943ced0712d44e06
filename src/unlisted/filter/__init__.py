"""What we let out: judging one message clean, unsure or suspect, with reasons."""
