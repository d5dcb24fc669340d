"""What the destinations acknowledged, kept on disk: snapshots, the runs' files, saved plans."""
