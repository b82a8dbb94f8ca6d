{{/*
The number of a port. Takes its name, which the container's port has too. files/task/names.py has those of TensorFlow and the
progress for the pods.
*/}}
{{- define "tensorflow-job.port" -}}
{{- get (dict "tensorflow" 2222 "progress" 2223 "metrics" 8080 "tensorboard" 6006) . -}}
{{- end -}}
