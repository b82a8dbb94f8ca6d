{{/* Folders of the checkpoint volume. Whoever shares a volume with others gets its own folder alone. */}}

{{/* A folder of the volume as the values name it; empty: the whole volume. Takes (dict "root" $ "directory" name). */}}
{{- define "tensorflow-job.subPath" -}}
{{- $directory := .directory | default (include "tensorflow-job.fullname" .root) -}}
{{- if ne $directory "." -}}
{{- $directory -}}
{{- end -}}
{{- end -}}

{{/* The part of the volume that training pods mount; empty: all of it. A claim that the chart made belongs to the job anyway. */}}
{{- define "tensorflow-job.checkpointSubPath" -}}
{{- if .Values.checkpoint.existingClaim -}}
{{- include "tensorflow-job.subPath" (dict "root" . "directory" .Values.checkpoint.directory) -}}
{{- end -}}
{{- end -}}

{{/* The mount of a folder at its path in the whole volume. Takes (dict "root" $ "subPath" folder). */}}
{{- define "tensorflow-job.checkpointMount" -}}
{{- $path := .root.Values.checkpoint.mountPath -}}
- name: checkpoints
  mountPath: {{ ternary (printf "%s/%s" (trimSuffix "/" $path) .subPath) $path (ne .subPath "") | quote }}
{{- with .subPath }}
  subPath: {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
The init container that sees to it that the folder is there before it is mounted: it makes it, or waits until a task did. The
kubelet would make it as root, whom it then belonged to. It sees the whole volume, so it has the image of the lifecycle: the
one of the program may be of another mind. But where only an image says who its user is, it must be the same image.
Takes (dict "root" $ "mode" make|await "subPath" folder "image" image "defaultTag" tag "podSecurityContext" map
"securityContext" map "resources" map).
*/}}
{{- define "tensorflow-job.folderContainer" -}}
{{- $lifecycle := .root.Values.lifecycle.image -}}
{{- $known := or (not (kindIs "invalid" (.podSecurityContext | default dict).runAsUser))
      (not (kindIs "invalid" (.securityContext | default dict).runAsUser)) -}}
{{- $image := ternary $lifecycle .image $known -}}
{{- $tag := ternary "3.13-slim" .defaultTag $known -}}
name: checkpoint-folder
image: {{ include "tensorflow-job.image" (dict "image" $image "defaultTag" $tag) | quote }}
imagePullPolicy: {{ $image.pullPolicy | quote }}
command:
  - python3
  - -S
  - -B
  - {{ include "tensorflow-job.codePath" "task" }}
  - folder
  - {{ .mode }}
  - /volume
  - {{ .subPath | quote }}
{{ include "tensorflow-job.initResources" (dict "resources" .resources) }}
{{- with .securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "tensorflow-job.codeMount" "task" | nindent 2 }}
  - name: checkpoints
    mountPath: /volume
    readOnly: {{ eq .mode "await" }}
{{- end -}}

{{/* The resources of an init container: those of the pod's container, so that the pod needs no more and its QoS class stays. */}}
{{- define "tensorflow-job.initResources" -}}
{{- $resources := dict -}}
{{- range $kind := list "limits" "requests" -}}
{{-   with pick (index ($.resources | default dict) $kind | default dict) "cpu" "memory" "ephemeral-storage" -}}
{{-     $_ := set $resources $kind . -}}
{{-   end -}}
{{- end -}}
resources:
  {{- toYaml $resources | nindent 2 }}
{{- end -}}

{{/* That of a training pod; empty where it mounts the whole volume. Takes (dict "root" $ "role" role "settings" settings). */}}
{{- define "tensorflow-job.checkpointFolderContainer" -}}
{{- with include "tensorflow-job.checkpointSubPath" .root -}}
{{-   $pod := include "tensorflow-job.overlay" (dict "base" $.settings.podSecurityContext "over"
        ($.settings.podSpec.securityContext | default dict)) | fromJson -}}
{{-   $container := include "tensorflow-job.overlay" (dict "base" $.settings.securityContext "over"
        ($.settings.container.securityContext | default dict)) | fromJson -}}
{{-   include "tensorflow-job.folderContainer" (dict "root" $.root "mode" "make" "subPath" . "image" $.settings.image "defaultTag"
        $.root.Chart.AppVersion "podSecurityContext" $pod "securityContext" $container "resources" $.settings.resources) -}}
{{- end -}}
{{- end -}}
