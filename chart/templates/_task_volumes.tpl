{{/* Volumes of the training pod. Each template takes (dict "root" $ "role" role "settings" settings). */}}

{{/* The mounts of the training container. */}}
{{- define "tensorflow-job.volumeMounts" -}}
{{ include "tensorflow-job.codeMount" "task" }}
- name: lifecycle-status
  mountPath: {{ include "tensorflow-job.configPath" . }}
  readOnly: true
- name: state
  mountPath: {{ include "tensorflow-job.statePath" . }}
{{- if .settings.pythonFrom }}
- name: lifecycle-python
  mountPath: {{ include "tensorflow-job.pythonPath" . }}
  readOnly: true
{{- end }}
{{- if include "tensorflow-job.programName" .root }}
- name: program
  mountPath: /app
  readOnly: true
{{- end }}
{{- if .root.Values.checkpoint.enabled }}
{{ include "tensorflow-job.checkpointMount" (dict "root" .root "subPath" (include "tensorflow-job.checkpointSubPath" .root)) }}
{{- end }}
{{- $claim := include "tensorflow-job.claimName" .root }}
{{- range $name, $volume := include "tensorflow-job.data" .root | fromJson }}
- name: {{ ternary "checkpoints" (printf "data-%s" $name) (and (ne $claim "") (eq $claim (toString $volume.existingClaim))) | quote }}
  mountPath: {{ $volume.mountPath | quote }}
  readOnly: {{ ternary $volume.readOnly true (hasKey $volume "readOnly") }}
  {{- with $volume.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end }}
{{- if .settings.shmSize }}
- name: shm
  mountPath: /dev/shm
{{- end }}
{{- with .settings.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volumes of the pod. */}}
{{- define "tensorflow-job.volumes" -}}
# Whole ConfigMaps, without a list of files: a running pod follows a chart upgrade that adds one.
- name: task
  configMap:
    name: {{ include "tensorflow-job.taskCodeName" .root | quote }}
# Until the lifecycle has written status.json the pod waits, and its Events name this volume: without a lifecycle nothing trains.
- name: lifecycle-status
  projected:
    sources:
      - configMap:
          name: {{ include "tensorflow-job.jobConfigName" .root | quote }}
      - configMap:
          name: {{ include "tensorflow-job.statusName" .root | quote }}
          items:
            - key: status.json
              path: status.json
{{- /* HOME and TMPDIR, too: a program that fills its node's disk would have its neighbours evicted. */}}
- name: state
  emptyDir:
    sizeLimit: 10Gi
{{- if .settings.pythonFrom }}
- name: lifecycle-python
  emptyDir:
    sizeLimit: 256Mi
{{- end }}
{{- with include "tensorflow-job.programName" .root }}
- name: program
  configMap:
    name: {{ . | quote }}
    defaultMode: 0555
{{- end }}
{{- with include "tensorflow-job.claimName" .root }}
- name: checkpoints
  persistentVolumeClaim:
    claimName: {{ . | quote }}
{{- end }}
{{- $claim := include "tensorflow-job.claimName" .root }}
{{- range $name, $volume := include "tensorflow-job.data" .root | fromJson }}
{{- if not (and $claim (eq $claim (toString $volume.existingClaim))) }}{{/* a pod that has one claim as two volumes may not start */}}
- name: {{ printf "data-%s" $name | quote }}
  {{- if $volume.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ $volume.existingClaim | quote }}
  {{- else }}
  {{- with $volume.volume }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .settings.shmSize }}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ . | quote }}
{{- end }}
{{- with .settings.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
