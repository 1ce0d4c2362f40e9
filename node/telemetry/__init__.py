"""What operators see: logs, metrics, readiness, and the last words of a crash."""
