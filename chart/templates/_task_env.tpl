{{/* Environment of the training container. Each template takes (dict "root" $ "role" role "settings" settings). */}}

{{/* Variables that the chart sets unless the user's env has the name, as YAML. */}}
{{- define "tensorflow-job.defaultEnv" -}}
{{- if not (or .settings.gpus (include "tensorflow-job.asksForDevices" .)) -}}
# On a task without GPUs nothing must find, and occupy, those of its node.
CUDA_VISIBLE_DEVICES: "-1"
NVIDIA_VISIBLE_DEVICES: void
{{- end }}
{{- end -}}

{{/* Whether a value of env is a text with $(NAME), which the pod replaces: task/references.py. True, or nothing. */}}
{{- define "tensorflow-job.deferred" -}}
{{- if and (kindIs "string" .) (regexMatch "\\$\\([^)]*\\)" (toString .)) }}true{{ end -}}
{{- end -}}

{{/* The texts of env with $(NAME), by name. Read with fromJson. */}}
{{- define "tensorflow-job.deferredEnv" -}}
{{- $texts := dict -}}
{{- range $name, $value := .settings.env -}}
{{-   if include "tensorflow-job.deferred" $value -}}
{{-     $_ := set $texts $name $value -}}
{{-   end -}}
{{- end -}}
{{- toJson $texts -}}
{{- end -}}

{{/* The list of variables, without those that the pod makes. */}}
{{- define "tensorflow-job.env" -}}
{{- $entries := list -}}
{{- range $name, $value := include "tensorflow-job.defaultEnv" . | fromYaml -}}
{{-   $own := index $.settings.env $name -}}
{{-   if or (kindIs "invalid" $own) (include "tensorflow-job.deferred" $own) -}}
{{-     $entries = append $entries (dict "name" $name "value" $value) -}}
{{-   end -}}
{{- end -}}
{{- range $volume := include "tensorflow-job.data" .root | fromJson -}}
{{-   if $volume.env -}}
{{-     $entries = append $entries (dict "name" $volume.env "value" $volume.mountPath) -}}
{{-   end -}}
{{- end -}}
{{- range $name, $value := .settings.env -}}
{{-   if kindIs "map" $value -}}
{{-     $entries = append $entries (dict "name" $name "valueFrom" $value.valueFrom) -}}
{{-   else if include "tensorflow-job.deferred" $value -}}
{{-   else if kindIs "string" $value -}}
{{-     $entries = append $entries (dict "name" $name "value" $value) -}}
{{-   else -}}
{{-     $entries = append $entries (dict "name" $name "value" (toJson $value)) -}}
{{-   end -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end -}}
