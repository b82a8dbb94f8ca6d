{{/* Values as they take effect. */}}

{{/* An image reference. Takes (dict "image" image "defaultTag" tag). */}}
{{- define "tensorflow-job.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.tag -}}
:{{ .image.tag }}
{{- else if not .image.digest -}}
:{{ .defaultTag }}
{{- end -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* program.files without those that an overlay removed with null. Read with fromJson. */}}
{{- define "tensorflow-job.programFiles" -}}
{{- $files := dict -}}
{{- range $name, $text := .Values.program.files -}}
{{-   if not (kindIs "invalid" $text) -}}
{{-     $_ := set $files $name $text -}}
{{-   end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* data without the volumes that an overlay removed with null. Read with fromJson. */}}
{{- define "tensorflow-job.data" -}}
{{- $data := dict -}}
{{- range $name, $volume := .Values.data -}}
{{-   if $volume -}}
{{-     $_ := set $data $name $volume -}}
{{-   end -}}
{{- end -}}
{{- toJson $data -}}
{{- end -}}

{{/* CHECKPOINT_DIR; empty without a checkpoint volume. */}}
{{- define "tensorflow-job.checkpointDir" -}}
{{- if .Values.checkpoint.enabled -}}
{{- include "tensorflow-job.folder" (dict "root" . "directory" .Values.checkpoint.directory) -}}
{{- end -}}
{{- end -}}

{{/* What TensorBoard shows: the job's own folder, or another one of the same volume. */}}
{{- define "tensorflow-job.tensorboardDir" -}}
{{- $directory := .Values.tensorboard.directory | default .Values.checkpoint.directory -}}
{{- include "tensorflow-job.folder" (dict "root" . "directory" $directory) -}}
{{- end -}}

{{/* The same as the part of the volume that TensorBoard mounts; empty: all of it. */}}
{{- define "tensorflow-job.tensorboardSubPath" -}}
{{- $directory := .Values.tensorboard.directory | default .Values.checkpoint.directory -}}
{{- include "tensorflow-job.subPath" (dict "root" . "directory" $directory) -}}
{{- end -}}

{{/* The path of a folder of the checkpoint volume; without a name, the job's own. Takes (dict "root" $ "directory" name). */}}
{{- define "tensorflow-job.folder" -}}
{{- printf "%s/%s" (trimSuffix "/" .root.Values.checkpoint.mountPath) (include "tensorflow-job.subPath" .) | trimSuffix "/" -}}
{{- end -}}

{{/*
Labels or annotations of pods with the placeholders $(JOB), $(RUN_ID) and $(TASKS) replaced, as YAML: so an overlay for any job
can name the group of a scheduler. Takes (dict "root" $ "texts" map).
*/}}
{{- define "tensorflow-job.expandPlaceholders" -}}
{{- $job := include "tensorflow-job.fullname" .root -}}
{{- $run := include "tensorflow-job.runId" .root -}}
{{- $tasks := include "tensorflow-job.tasks" .root -}}
{{- $texts := dict -}}
{{- range $name, $text := .texts -}}
{{-   $_ := set $texts $name ($text | replace "$(JOB)" $job | replace "$(RUN_ID)" $run | replace "$(TASKS)" $tasks) -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end -}}
