{{/*
The run id. A run is never repeated, so the id changes with whatever starts a new one: it is a hash of the settings below, and
only of them. A chart upgrade must not touch a job that runs, so these have no default, or one that never changes, and
nothing is added here that has one (tests/chart/test_upgrades.py). An empty setting and an absent one are the same, but where
a role's replaces that of all roles.
*/}}
{{- define "tensorflow-job.runId" -}}
{{- include "tensorflow-job.withoutEmpty" (include "tensorflow-job.runSettings" . | fromJson) | sha256sum | trunc 10 -}}
{{- end -}}

{{/* The settings of which a change starts a new run; docs/upgrading.md lists them. Read with fromJson. */}}
{{- define "tensorflow-job.runSettings" -}}
{{- $settings := pick .Values "strategy" "run" "data" "imagePullSecrets" "fullnameOverride" -}}
{{- $_ := set $settings "server" (pick (.Values.server | default dict) "imports") -}}
{{- $_ := set $settings "checkpoint" (pick (.Values.checkpoint | default dict) "enabled" "mountPath" "directory" "existingClaim") -}}
{{- if eq (include "tensorflow-job.gang" .) "true" -}}{{/* a pod that joined later would be alone in its PodGroup */}}
{{-   $_ := set $settings "gang" true -}}
{{- end -}}
{{- $_ := set $settings "job" (include "tensorflow-job.runSettingsOf" .Values | fromJson) -}}
{{- range $role := include "tensorflow-job.roleNames" . | fromJsonArray -}}
{{-   $own := index $.Values $role | default dict -}}
{{-   $tasks := pick $own "replicas" "gpus" -}}
{{-   $settingsOfRole := include "tensorflow-job.runSettingsOf" $own | fromJson -}}
{{-   range $map := list $settingsOfRole $settingsOfRole.program -}}
{{-     range $key, $value := $map -}}
{{-       $inherits := has $key (list "env" "nodeSelector" "podSpec" "container" "image" "program" "command" "workingDir") -}}
{{-       if not (or $value $inherits (kindIs "invalid" $value)) -}}
{{-         $_ := set $map $key (toJson $value) -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{-   $_ := set $settings $role (merge $tasks $settingsOfRole) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* Those of a role, or of all roles. Takes the values of the role, or all values. Read with fromJson. */}}
{{- define "tensorflow-job.runSettingsOf" -}}
{{- $settings := pick . "env" "envFrom" "python" "pythonFrom" "gpuResource" "resources" "nodeSelector" "tolerations" "affinity"
      "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "schedulerName" "initContainers" "extraContainers"
      "extraVolumes" "extraVolumeMounts" "shmSize" "podSpec" "container" -}}
{{- $_ := set $settings "image" (pick (.image | default dict) "registry" "repository" "tag" "digest") -}}
{{- $_ := set $settings "program" (pick (.program | default dict) "command" "args" "workingDir" "files" "existingConfigMap") -}}
{{- toJson $settings -}}
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
