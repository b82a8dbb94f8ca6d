"""A first program for Custom: every task runs it, and starts its own server, parameter servers included.

Replace the data and the model; keep how it resumes and saves. It needs TensorFlow alone.
"""

import os

import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
STEPS = 300  # in all, over all workers and restarts

task = tf.distribute.cluster_resolver.TFConfigClusterResolver()
cluster = task.cluster_spec()
server = tf.train.Server(cluster, job_name=task.task_type, task_index=task.task_id)
if task.task_type == "ps":
    server.join()  # the job stops it
chief = task.task_type == "chief" or ("chief" not in cluster.jobs and task.task_id == 0)

worker = f"/job:{task.task_type}/task:{task.task_id}"
with tf.device(tf.train.replica_device_setter(worker_device=worker, cluster=cluster)):
    points = tf.random.uniform((32, 4), -1, 1)
    weights = tf.get_variable("weights", (4, 1))
    loss = tf.reduce_mean(tf.square(tf.matmul(points, weights) - tf.reduce_sum(points, 1, keepdims=True)))
    step = tf.train.get_or_create_global_step()
    train = tf.train.GradientDescentOptimizer(0.05).minimize(loss, global_step=step)

with tf.train.MonitoredTrainingSession(
    server.target,
    is_chief=chief,
    checkpoint_dir=os.environ["CHECKPOINT_DIR"],
    save_checkpoint_steps=100,
    hooks=[tf.train.StopAtStepHook(last_step=STEPS)],
) as session:
    reported = 0
    while not session.should_stop():
        _, value, now = session.run([train, loss, step])
        if STEPS > now >= reported + 50:  # the step counts those of all workers
            reported = now
            print(f"step {now} of {STEPS}: loss {value:.4f}", flush=True)
print(f"step {STEPS} of {STEPS}: loss {value:.4f}", flush=True)
print("done: trained", flush=True)
