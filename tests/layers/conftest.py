# Programs that test_replicas.py runs.
collect_ignore = ["replicas_jax.py", "replicas_tensorflow.py"]
