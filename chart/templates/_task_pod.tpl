{{/* The training pod. Each template takes (dict "root" $ "role" role "settings" settings). */}}

{{/* Resources of the training container: the role's, and its GPUs as limits and requests. */}}
{{- define "tensorflow-job.resources" -}}
{{- $resources := deepCopy (.settings.resources | default dict) -}}
{{- if .settings.gpus -}}
{{-   $gpus := dict .settings.gpuResource (toString (int .settings.gpus)) -}}
{{-   range $kind := list "limits" "requests" -}}
{{-     $_ := set $resources $kind (merge (deepCopy $gpus) (index $resources $kind | default dict)) -}}
{{-   end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Tolerations of the pod: the role's, and for how long it stays on a node that does not answer. */}}
{{- define "tensorflow-job.tolerations" -}}
{{- $tolerations := .settings.tolerations | default list -}}
{{- if not (kindIs "invalid" .settings.unreachableTolerationSeconds) -}}
{{-   range $taint := list "not-ready" "unreachable" -}}
{{-     $tolerations = append $tolerations (dict "key" (printf "node.kubernetes.io/%s" $taint) "operator" "Exists"
          "effect" "NoExecute" "tolerationSeconds" (int64 $.settings.unreachableTolerationSeconds)) -}}
{{-   end -}}
{{- end -}}
{{- toYaml $tolerations -}}
{{- end -}}

{{/* Topology spread constraints; one without labelSelector gets the role's own. */}}
{{- define "tensorflow-job.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "tensorflow-job.setSelector" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range $constraint := .settings.topologySpreadConstraints -}}
{{-   $constraints = append $constraints (merge (deepCopy $constraint) (ternary dict (dict "labelSelector" $selector)
        (hasKey $constraint "labelSelector"))) -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}

{{/* Metadata and spec of the pod template. */}}
{{- define "tensorflow-job.trainingPod" -}}
{{- $settings := .settings -}}
metadata:
  labels:
    {{- include "tensorflow-job.podLabels" (dict "root" .root "component" "training") | nindent 4 }}
    {{- include "tensorflow-job.roleLabel" . | nindent 4 }}
    {{- include "tensorflow-job.runLabel" .root | nindent 4 }}
    {{- with $settings.podLabels }}
    {{- include "tensorflow-job.expandPlaceholders" (dict "root" $.root "texts" .) | nindent 4 }}
    {{- end }}
  {{- with $settings.podAnnotations }}
  annotations:
    {{- include "tensorflow-job.expandPlaceholders" (dict "root" $.root "texts" .) | nindent 4 }}
  {{- end }}
spec:
{{- $spec := include "tensorflow-job.trainingPodSpec" . }}
{{- with $settings.podSpec }}
{{- $spec = include "tensorflow-job.overlay" (dict "base" ($spec | fromYaml) "over" .) | fromJson | toYaml }}
{{- end }}
{{- $spec | trim | nindent 2 }}
{{- end -}}

{{/* The chart's own part of the pod's spec. */}}
{{- define "tensorflow-job.trainingPodSpec" -}}
{{- $settings := .settings -}}
# Training pods have no permissions at the API. Service variables would take the room that TF_CONFIG needs.
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: Always
terminationGracePeriodSeconds: {{ int64 $settings.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $settings.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with $settings.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- if eq (include "tensorflow-job.gang" .root) "true" }}
schedulingGroup:
  podGroupName: {{ include "tensorflow-job.podGroupName" .root | quote }}
{{- end }}
{{- with $settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $settings.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- include "tensorflow-job.topologySpreadConstraints" . | nindent 2 }}
{{- end }}
tolerations:
  {{- include "tensorflow-job.tolerations" . | nindent 2 }}
{{- $folder := include "tensorflow-job.checkpointFolderContainer" . }}
{{- $python := include "tensorflow-job.pythonContainer" . }}
{{- if or $folder $python $settings.initContainers }}
initContainers:
  {{- range $container := compact (list $folder $python) }}
  -{{ $container | nindent 4 | trimPrefix "\n   " }}
  {{- end }}
  {{- with $settings.initContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  {{- $container := include "tensorflow-job.trainingContainer" . }}
  {{- with $settings.container }}
  {{- $container = include "tensorflow-job.overlay" (dict "base" ($container | fromYaml) "over" .) | fromJson | toYaml }}
  {{- end }}
  -{{ $container | trim | nindent 4 | trimPrefix "\n   " }}
  {{- with $settings.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "tensorflow-job.volumes" . | nindent 2 }}
{{- end -}}

{{/* The chart's own part of the training container. */}}
{{- define "tensorflow-job.trainingContainer" -}}
{{- $settings := .settings -}}
name: tensorflow
image: {{ include "tensorflow-job.image" (dict "image" $settings.image "defaultTag" .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ $settings.image.pullPolicy | quote }}
command:
  {{- include "tensorflow-job.python" . | nindent 2 }}
  - -S  # no site-packages for the chart's program: the user's starts sooner, with more memory left
  - {{ include "tensorflow-job.codePath" "task" }}
  - run
  - --role={{ .role }}
  - --run-id={{ include "tensorflow-job.runId" .root }}
  - --grace={{ int64 $settings.terminationGracePeriodSeconds }}
  - --config={{ include "tensorflow-job.configPath" . }}
  - --state={{ include "tensorflow-job.statePath" . }}
  - --progress={{ include "tensorflow-job.port" "progress" }}
{{- $program := include "tensorflow-job.program" . | fromJson }}
{{- if $program.workingDir }}
workingDir: {{ $program.workingDir | quote }}
{{- else if include "tensorflow-job.programName" .root }}
workingDir: /app
{{- end }}
ports:
  - name: tensorflow
    containerPort: {{ include "tensorflow-job.port" "tensorflow" }}
  - name: progress
    containerPort: {{ include "tensorflow-job.port" "progress" }}
env:
  {{- include "tensorflow-job.env" . | nindent 2 }}
{{- with $settings.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- include "tensorflow-job.resources" . | nindent 2 }}
{{- with $settings.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
# The lifecycle reads from exit code and termination message how a task ended; the program need not do anything.
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "tensorflow-job.volumeMounts" . | nindent 2 }}
{{- end -}}
