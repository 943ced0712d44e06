"""What we tell: incident, posts, figures, deadlines."""
