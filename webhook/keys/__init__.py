"""The region's keys as a log uses them: from a file or a service, followed while they change."""
