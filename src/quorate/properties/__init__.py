"""What agreement, commit, broadcast, logs and registers promise: named properties over facts."""
