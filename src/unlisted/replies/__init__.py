"""What a refusal means: one engine; operators/*.toml is the knowledge."""
