"""Other people's lists: catalogue, answers and their sanity, episodes and their clock."""
