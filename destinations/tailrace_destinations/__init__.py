"""The adapters that come with Tailrace, each found by its entry point as anyone's would be."""
