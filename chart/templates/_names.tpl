{{/* Names, labels and selectors. Quote whatever comes from here: a release may be called y, null or 1e3. */}}

{{- define "tensorflow-job.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if .Chart.IsRoot -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name -}}{{/* of a subchart under an alias, .Chart.Name is the alias */}}
{{- end -}}
{{- end -}}

{{/* A StatefulSet. Takes (dict "root" $ "role" role). */}}
{{- define "tensorflow-job.setName" -}}
{{- printf "%s-%s" (include "tensorflow-job.fullname" .root) .role -}}
{{- end -}}

{{- define "tensorflow-job.jobConfigName" -}}
{{- printf "%s-job" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap of the program in every training pod. */}}
{{- define "tensorflow-job.taskCodeName" -}}
{{- printf "%s-task" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap of the lifecycle's own files, its service account, Role and RoleBinding. */}}
{{- define "tensorflow-job.lifecycleName" -}}
{{- printf "%s-lifecycle" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{- define "tensorflow-job.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "tensorflow-job.lifecycleName" .) -}}
{{- end -}}

{{- define "tensorflow-job.statusName" -}}
{{- printf "%s-status" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap mounted at /app; empty when the program is in the image. */}}
{{- define "tensorflow-job.programName" -}}
{{- if .Values.program.existingConfigMap -}}
{{- .Values.program.existingConfigMap -}}
{{- else if ne (include "tensorflow-job.programFiles" .) "{}" -}}
{{- printf "%s-program" (include "tensorflow-job.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* The checkpoint claim; empty when there is none. */}}
{{- define "tensorflow-job.claimName" -}}
{{- if .Values.checkpoint.enabled -}}
{{- .Values.checkpoint.existingClaim | default (printf "%s-checkpoints" (include "tensorflow-job.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{/* What finds the objects of this job; the same in every version of the chart. */}}
{{- define "tensorflow-job.stableLabels" -}}
app.kubernetes.io/name: tensorflow-job
app.kubernetes.io/instance: {{ .Release.Name | quote }}
tensorflow-job/job: {{ include "tensorflow-job.fullname" . | quote }}
{{- end -}}

{{/* Labels of the objects that Helm makes. Takes (dict "root" $ "component" training|lifecycle|tensorboard). */}}
{{- define "tensorflow-job.labels" -}}
{{ include "tensorflow-job.stableLabels" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end -}}

{{/* Labels of pods: without versions, so that a new chart alone makes no new revision of them. Takes the same. */}}
{{- define "tensorflow-job.podLabels" -}}
{{ include "tensorflow-job.stableLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The pods of one role. Takes (dict "root" $ "role" role). */}}
{{- define "tensorflow-job.setSelector" -}}
tensorflow-job/job: {{ include "tensorflow-job.fullname" .root | quote }}
tensorflow-job/role: {{ .role }}
{{- end -}}

{{- define "tensorflow-job.tensorboardName" -}}
{{- printf "%s-tensorboard" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The pods of a component: all that train, the lifecycle's, TensorBoard's. Takes (dict "root" $ "component" …). */}}
{{- define "tensorflow-job.componentSelector" -}}
tensorflow-job/job: {{ include "tensorflow-job.fullname" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}
