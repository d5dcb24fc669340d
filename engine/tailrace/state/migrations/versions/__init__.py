"""One module a revision; released ones never change."""
