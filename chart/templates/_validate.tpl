{{/* To come: cross-field rules. */}}
{{- define "tensorflow-job.validate" -}}
{{- end -}}
