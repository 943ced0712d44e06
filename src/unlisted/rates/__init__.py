"""When a rate is news: windows, change detector, contrast between addresses."""
