{{/* The Python that starts the tasks: the image's own, or that of the lifecycle's image. */}}

{{/* Where the copy of the lifecycle's Python is. */}}
{{- define "tensorflow-job.pythonPath" -}}
/tensorflow-job/python
{{- end -}}

{{/*
The command that starts Python, as a YAML list. A copy is started by its own dynamic loader, and -I has it ignore PYTHONHOME and
the like: it needs no variable and no file of the image, and the program finds the image's variables as they are. Takes (dict
"settings" settings).
*/}}
{{- define "tensorflow-job.python" -}}
{{- if .settings.pythonFrom -}}
{{- $folder := include "tensorflow-job.pythonPath" . -}}
{{- list (printf "%s/ld.so" $folder) "--library-path" (printf "%s/lib" $folder) (printf "%s/bin/python3" $folder) "-I" "-B" | toYaml -}}
{{- else -}}
{{- toYaml .settings.python -}}
{{- end -}}
{{- end -}}

{{/*
The init container that copies it, with the user and the security of the lifecycle; empty where the image has its own. Takes
(dict "root" $ "settings" settings).
*/}}
{{- define "tensorflow-job.pythonContainer" -}}
{{- if .settings.pythonFrom -}}
{{- $lifecycle := .root.Values.lifecycle -}}
{{- $user := pick ($lifecycle.podSecurityContext | default dict) "runAsNonRoot" "runAsUser" "runAsGroup" "seccompProfile" -}}
name: lifecycle-python
image: {{ include "tensorflow-job.image" (dict "image" $lifecycle.image "defaultTag" "3.13-slim") | quote }}
imagePullPolicy: {{ $lifecycle.image.pullPolicy | quote }}
command:
  - python3
  - -S
  - -B
  - {{ include "tensorflow-job.codePath" "task" }}
  - interpreter
  - {{ include "tensorflow-job.pythonPath" . }}
{{ include "tensorflow-job.initResources" (dict "resources" .settings.resources) }}
securityContext:
  {{- merge (deepCopy ($lifecycle.securityContext | default dict)) $user | toYaml | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "tensorflow-job.codeMount" "task" | nindent 2 }}
  - name: lifecycle-python
    mountPath: {{ include "tensorflow-job.pythonPath" . }}
{{- end -}}
{{- end -}}
