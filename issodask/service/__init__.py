"""What goes on when the client has left: a cluster on this host, and the manager that drives jobs on any cluster.

- `certificates` makes keys; `host` starts and stops scheduler and workers as supervised processes.
- `manager` lives in the scheduler: it keeps the list of `jobs`, and has each one driven by a worker (`driver`).
- `told` keeps what each job tells, and `dashboard` is what the dashboard shows of it.
- `client` is how the command line talks to the manager.
"""
