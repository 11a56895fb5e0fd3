"""What goes on when the client has left: a cluster on this host, and the desk that drives jobs on any cluster.

- `keys` makes certificates; `host` starts and stops scheduler and workers as supervised processes.
- `desk` lives in the scheduler: it keeps the list of jobs, and has each one driven by a worker (`drive`).
- `told` keeps what each job tells, and `page` is what the dashboard shows of it.
- `client` is how the command line talks to the desk.
"""
