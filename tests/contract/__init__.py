"""What every event store keeps to, shown on a real PostgreSQL."""
