"""Reading a project: `tailrace.yml`, the files under `syncs/` and `models/`."""
