{{/* The chart's own programs, files/task and files/lifecycle: in ConfigMaps, mounted whole. And the folders they use. */}}

{{/* The files of a program: name -> text, as JSON. Takes (dict "root" $ "program" task|lifecycle). */}}
{{- define "tensorflow-job.code" -}}
{{- $files := dict -}}
{{- range $path, $text := .root.Files.Glob (printf "files/%s/*.py" .program) -}}
{{-   $_ := set $files (base $path) (toString $text) -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/*
files/lifecycle in two halves, a ConfigMap each, as a JSON list of {suffix, files}: what `kubectl apply` and Argo CD apply is also
kept in an annotation, and those of an object may have no more than 256 KiB.
*/}}
{{- define "tensorflow-job.lifecycleCodeParts" -}}
{{- $files := include "tensorflow-job.code" (dict "root" . "program" "lifecycle") | fromJson -}}
{{- $first := dict -}}
{{- $second := dict -}}
{{- range $index, $name := keys $files | sortAlpha -}}
{{-   $_ := set (eq (mod $index 2) 0 | ternary $first $second) $name (get $files $name) -}}
{{- end -}}
{{- list (dict "suffix" "" "files" $first) (dict "suffix" "-2" "files" $second) | toJson -}}
{{- end -}}

{{/* Where a program is mounted, and what Python starts: two packages of one namespace, which import each other. Takes its name. */}}
{{- define "tensorflow-job.codePath" -}}
{{- printf "/tensorflow-job/lib/tensorflow_job/%s" . -}}
{{- end -}}

{{/* The mount of a program. Takes its name. */}}
{{- define "tensorflow-job.codeMount" -}}
- name: {{ . }}
  mountPath: {{ include "tensorflow-job.codePath" . }}
  readOnly: true
{{- end -}}

{{/* The folder with job.json, and in training pods status.json. */}}
{{- define "tensorflow-job.configPath" -}}
/tensorflow-job/config
{{- end -}}

{{/* The mount of that folder. */}}
{{- define "tensorflow-job.configMount" -}}
- name: config
  mountPath: {{ include "tensorflow-job.configPath" . }}
  readOnly: true
{{- end -}}

{{/* The folder where a task keeps what outlives its container: an emptyDir. */}}
{{- define "tensorflow-job.statePath" -}}
/tensorflow-job-state
{{- end -}}
