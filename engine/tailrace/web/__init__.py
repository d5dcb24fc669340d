"""The console and the API: what people and programs see of a project, and do to it, over HTTP.

`server` listens, `app` joins the parts, `guard` and `auth` stand at the door. `operations` are the API, `pages` the
console; both act through `actions`, so that what is written down in the audit log does not depend on the way in.
Needs the extra `serve`.
"""
