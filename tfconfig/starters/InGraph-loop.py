"""A first program for InGraph, the TF1 way: the chief runs it, one graph with a part on every worker.

Replace the data and the model; keep how it resumes and saves. It needs TensorFlow alone.
"""

import os

import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
STEPS = 300  # in all, over all restarts

task = tf.distribute.cluster_resolver.TFConfigClusterResolver()
cluster = task.cluster_spec()
server = tf.train.Server(cluster, job_name=task.task_type, task_index=task.task_id)

with tf.device(tf.train.replica_device_setter(worker_device="/job:chief/task:0", cluster=cluster)):
    weights = tf.get_variable("weights", (4, 1))
    step = tf.train.get_or_create_global_step()
losses = []
for index in range(cluster.num_tasks("worker")):
    with tf.device(f"/job:worker/task:{index}"):
        points = tf.random.uniform((32, 4), -1, 1)
        error = tf.matmul(points, weights) - tf.reduce_sum(points, 1, keepdims=True)
        losses.append(tf.reduce_mean(tf.square(error)))
loss = tf.add_n(losses) / len(losses)
train = tf.train.GradientDescentOptimizer(0.05).minimize(loss, global_step=step)

with tf.train.MonitoredTrainingSession(
    server.target,
    checkpoint_dir=os.environ["CHECKPOINT_DIR"],
    save_checkpoint_steps=100,
    hooks=[tf.train.StopAtStepHook(last_step=STEPS)],
) as session:
    while not session.should_stop():
        _, value, now = session.run([train, loss, step])
        if now % 50 == 0:
            print(f"step {now} of {STEPS}: loss {value:.4f}", flush=True)
print("done: trained", flush=True)
