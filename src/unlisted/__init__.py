"""unlisted: keep a mail platform off blocklists, and recover when one blocks it anyway."""

__version__ = "0.1.0"
