"""What a week of logs says: counts in, sections for a person out."""
