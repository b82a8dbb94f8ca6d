{{/*
The run id. A run is never repeated, so the id changes with whatever starts a new one: it is a hash of the values that reach the
training pods. Empty values are left out: a later chart that adds an empty default starts no new run.
*/}}
{{- define "tensorflow-job.runId" -}}
{{- $values := omit .Values "restart" "completion" "deadlines" "cleanup" "suspend" "lifecycle" "serviceAccount" "networkPolicy"
      "logs" "metrics" "tensorboard" "extraObjects" "global" "enabled" -}}
{{- $checkpoint := pick .Values.checkpoint "enabled" "mountPath" "directory" "existingClaim" -}}
{{- $values = merge (dict "checkpoint" $checkpoint) (omit $values "checkpoint") -}}
{{- include "tensorflow-job.withoutEmpty" $values | sha256sum | trunc 10 -}}
{{- end -}}

{{/* Canonical JSON of the value it takes, whose maps lose their empty entries (null, "", {}, []); nothing for an empty value. */}}
{{- define "tensorflow-job.withoutEmpty" -}}
{{- if kindIs "map" . -}}
{{-   $entries := list -}}
{{-   range $key, $value := . -}}
{{-     with include "tensorflow-job.withoutEmpty" $value -}}
{{-       $entries = append $entries (printf "%s:%s" (toJson $key) .) -}}
{{-     end -}}
{{-   end -}}
{{-   if $entries -}}
{{-     printf "{%s}" (join "," $entries) -}}
{{-   end -}}
{{- else if not (has (toJson .) (list "null" "\"\"" "[]")) -}}
{{-   toJson . -}}
{{- end -}}
{{- end -}}
