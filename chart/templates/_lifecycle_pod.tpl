{{/* Metadata and spec of the lifecycle's pod template. Takes (dict "root" $ "jobName" name). */}}
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
      imagePullPolicy: {{ $lifecycle.image.pullPolicy | quote }}
      command:
        - python3
        - -B
        - {{ include "tensorflow-job.codePath" "lifecycle" }}
        - --config={{ include "tensorflow-job.configPath" . }}
        - {{ printf "--job=%s" .jobName | quote }}
        - --run-id={{ include "tensorflow-job.runId" .root }}
        {{- if .root.Values.metrics.enabled }}
        - --metrics={{ include "tensorflow-job.port" "metrics" }}
        {{- with .root.Values.metrics.lastScrapeSeconds }}
        - --last-scrape={{ int64 . }}
        {{- end }}
      ports:
        - name: metrics
          containerPort: {{ include "tensorflow-job.port" "metrics" }}
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
        {{- include "tensorflow-job.codeMount" "task" | nindent 8 }}
        {{- include "tensorflow-job.codeMount" "lifecycle" | nindent 8 }}
        {{- include "tensorflow-job.configMount" . | nindent 8 }}
  volumes:
    - name: task
      configMap:
        name: {{ include "tensorflow-job.taskCodeName" .root | quote }}
    - name: lifecycle
      projected:
        sources:
          {{- range $part := include "tensorflow-job.lifecycleCodeParts" .root | fromJsonArray }}
          - configMap:
              name: {{ printf "%s%s" $.jobName $part.suffix | quote }}
          {{- end }}
    - name: config
      configMap:
        name: {{ include "tensorflow-job.jobConfigName" .root | quote }}
{{- end -}}
