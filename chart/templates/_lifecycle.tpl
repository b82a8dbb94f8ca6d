{{/* The files of one program, name -> text as JSON. Takes (dict "root" $ "program" task|lifecycle): a folder of files/. */}}
{{- define "tensorflow-job.code" -}}
{{- $files := dict -}}
{{- range $path, $text := .root.Files.Glob (printf "files/%s/*.py" .program) -}}
{{-   $_ := set $files (base $path) (toString $text) -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/*
A Job's template is immutable, so its name carries a hash of all that the lifecycle runs with: when that changes, Helm makes a
new Job, which takes the run over, and removes the old one. So does `suspend`: resuming gives every set one pod (Kubernetes'
default), and a lifecycle must be there to take it away again when the run has ended long ago.
*/}}
{{- define "tensorflow-job.lifecycleJobName" -}}
{{- $pod := include "tensorflow-job.lifecyclePod" (dict "root" . "jobName" "") -}}
{{- $all := list $pod (include "tensorflow-job.jobSpec" .) (include "tensorflow-job.code" (dict "root" . "program" "task"))
      (include "tensorflow-job.code" (dict "root" . "program" "lifecycle")) (toString .Values.suspend) -}}
{{- printf "%s-%s" (include "tensorflow-job.lifecycleName" .) (join "\n" $all | sha256sum | trunc 8) -}}
{{- end -}}

{{/* Takes (dict "root" $ "jobName" name). */}}
{{- define "tensorflow-job.lifecyclePod" -}}
{{- $lifecycle := .root.Values.lifecycle -}}
metadata:
  labels:
    {{- include "tensorflow-job.podLabels" (dict "root" .root "component" "lifecycle") | nindent 4 }}
    {{- with $lifecycle.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $lifecycle.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "tensorflow-job.serviceAccountName" .root | quote }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: Never
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $lifecycle.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $lifecycle.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with $lifecycle.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $lifecycle.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $lifecycle.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: lifecycle
      image: {{ include "tensorflow-job.image" (dict "image" $lifecycle.image "defaultTag" "3.13-slim") | quote }}
      imagePullPolicy: {{ $lifecycle.image.pullPolicy }}
      command:
        - python3
        - -B
        - /tensorflow-job/lib/tensorflow_job/lifecycle
        - --config=/tensorflow-job/config
        - --job={{ .jobName }}
        - --run-id={{ include "tensorflow-job.runId" .root }}
        {{- if .root.Values.metrics.enabled }}
        - --metrics=8080
      ports:
        - name: metrics
          containerPort: 8080
        {{- end }}
      {{- with $lifecycle.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $lifecycle.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - name: task
          mountPath: /tensorflow-job/lib/tensorflow_job/task
          readOnly: true
        - name: lifecycle
          mountPath: /tensorflow-job/lib/tensorflow_job/lifecycle
          readOnly: true
        - name: config
          mountPath: /tensorflow-job/config
          readOnly: true
  volumes:
    - name: task
      configMap:
        name: {{ include "tensorflow-job.taskCodeName" .root | quote }}
    - name: lifecycle
      configMap:
        name: {{ include "tensorflow-job.lifecycleName" .root | quote }}
    - name: config
      configMap:
        name: {{ include "tensorflow-job.jobConfigName" .root | quote }}
{{- end -}}
