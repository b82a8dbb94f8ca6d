{{/*
The number of a port. Takes its name, which the container's port has too. job.json tells pods the port of TensorFlow; the progress
port is also in files/task/progress.py, and tests compare them.
*/}}
{{- define "tensorflow-job.port" -}}
{{- get (dict "tensorflow" 2222 "progress" 2223 "metrics" 8080 "tensorboard" 6006) . -}}
{{- end -}}
