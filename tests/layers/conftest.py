# Programs run by test_replicas.py.
collect_ignore = ["replicas_jax.py", "replicas_tensorflow.py"]
