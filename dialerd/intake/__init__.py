"""Contact lists: what people upload, made into validated contacts outside the daemon's process."""
