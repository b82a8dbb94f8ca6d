{{/* The training pod. Each template here takes (dict "root" $ "role" role "settings" settings). */}}

{{/* Environment that the chart itself gives, unless the user's env has the name. */}}
{{- define "tensorflow-job.defaultEnv" -}}
HOME: /tensorflow-job-state/home
TMPDIR: /tensorflow-job-state/tmp
{{- if not .settings.gpus }}
# On a task without GPUs nothing must find, and hold, those of its node.
CUDA_VISIBLE_DEVICES: "-1"
NVIDIA_VISIBLE_DEVICES: void
{{- end }}
{{- end -}}

{{/* The chart's variables come first, so that $(NAME) in the user's can refer to them. */}}
{{- define "tensorflow-job.env" -}}
{{- $entries := list -}}
{{- range $name, $value := include "tensorflow-job.defaultEnv" . | fromYaml -}}
{{-   if not (hasKey $.settings.env $name) -}}
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
{{-   else if kindIs "string" $value -}}
{{-     $entries = append $entries (dict "name" $name "value" $value) -}}
{{-   else -}}
{{-     $entries = append $entries (dict "name" $name "value" (toJson $value)) -}}
{{-   end -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end -}}

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

{{- define "tensorflow-job.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "tensorflow-job.setSelector" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range $constraint := .settings.topologySpreadConstraints -}}
{{-   $constraints = append $constraints (merge (deepCopy $constraint) (ternary dict (dict "labelSelector" $selector)
        (hasKey $constraint "labelSelector"))) -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}

{{- define "tensorflow-job.volumeMounts" -}}
- name: task
  mountPath: /tensorflow-job/lib/tensorflow_job/task
  readOnly: true
- name: config
  mountPath: /tensorflow-job/config
  readOnly: true
- name: state
  mountPath: /tensorflow-job-state
{{- if include "tensorflow-job.programName" .root }}
- name: program
  mountPath: /app
  readOnly: true
{{- end }}
{{- if .root.Values.checkpoint.enabled }}
- name: checkpoints
  mountPath: {{ .root.Values.checkpoint.mountPath | quote }}
{{- end }}
{{- range $name, $volume := include "tensorflow-job.data" .root | fromJson }}
- name: {{ printf "data-%s" $name | quote }}
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

{{- define "tensorflow-job.volumes" -}}
# Whole ConfigMaps, without a list of files: a running pod follows a chart upgrade that adds one.
- name: task
  configMap:
    name: {{ include "tensorflow-job.taskCodeName" .root | quote }}
- name: config
  projected:
    sources:
      - configMap:
          name: {{ include "tensorflow-job.jobConfigName" .root | quote }}
      - configMap:
          name: {{ include "tensorflow-job.statusName" .root | quote }}
          optional: true
          items:
            - key: status.json
              path: status.json
- name: state
  emptyDir: {}
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
{{- range $name, $volume := include "tensorflow-job.data" .root | fromJson }}
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

{{- define "tensorflow-job.trainingPod" -}}
{{- $settings := .settings -}}
metadata:
  labels:
    {{- include "tensorflow-job.podLabels" (dict "root" .root "component" "training") | nindent 4 }}
    tensorflow-job/role: {{ .role }}
    tensorflow-job/run-id: {{ include "tensorflow-job.runId" .root | quote }}
    {{- with $settings.podLabels }}
    {{- include "tensorflow-job.named" (dict "root" $.root "texts" .) | nindent 4 }}
    {{- end }}
  {{- with $settings.podAnnotations }}
  annotations:
    {{- include "tensorflow-job.named" (dict "root" $.root "texts" .) | nindent 4 }}
  {{- end }}
spec:
  # Training pods have no rights at the API. Service variables would eat the room that TF_CONFIG needs.
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Always
  terminationGracePeriodSeconds: {{ int64 $settings.terminationGracePeriodSeconds }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $settings.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
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
  {{- with $settings.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $settings.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $settings.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "tensorflow-job.topologySpreadConstraints" . | nindent 4 }}
  {{- end }}
  tolerations:
    {{- include "tensorflow-job.tolerations" . | nindent 4 }}
  {{- with $settings.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: tensorflow
      image: {{ include "tensorflow-job.image" (dict "image" $settings.image "defaultTag" .root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ $settings.image.pullPolicy }}
      command:
        {{- toYaml $settings.python | nindent 8 }}
        - -S  # no site-packages for our own program: less time and memory before the user's starts
        - /tensorflow-job/lib/tensorflow_job/task
        - run
        - --role={{ .role }}
        - --run-id={{ include "tensorflow-job.runId" .root }}
        - --grace={{ int64 $settings.terminationGracePeriodSeconds }}
        - --config=/tensorflow-job/config
        - --state=/tensorflow-job-state
        - --progress=2223
      {{- if .root.Values.program.workingDir }}
      workingDir: {{ .root.Values.program.workingDir | quote }}
      {{- else if include "tensorflow-job.programName" .root }}
      workingDir: /app
      {{- end }}
      ports:
        - name: tensorflow
          containerPort: 2222
        - name: progress
          containerPort: 2223
      env:
        {{- include "tensorflow-job.env" . | nindent 8 }}
      {{- with $settings.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- include "tensorflow-job.resources" . | nindent 8 }}
      {{- with $settings.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      # How a task ended is read from its exit code and this message; nothing is asked of the program.
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        {{- include "tensorflow-job.volumeMounts" . | nindent 8 }}
    {{- with $settings.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "tensorflow-job.volumes" . | nindent 4 }}
{{- end -}}
