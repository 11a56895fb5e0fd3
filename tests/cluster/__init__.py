"""The files of `cluster/`, each held against its own checker; nothing here needs Docker, Slurm or Kubernetes."""
