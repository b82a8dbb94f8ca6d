{{/*
Names, labels and selectors of objects. Quote whatever comes from here: a release may be called y, null or 1e3. files/task/names.py
has the names for the pods and the tool.
*/}}

{{/* The job's name, with which the name of every object starts. Also for the user's extraObjects. */}}
{{- define "tensorflow-job.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if .Chart.IsRoot -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name -}}{{/* of a subchart under an alias, .Chart.Name is the alias */}}
{{- end -}}
{{- end -}}

{{/* A role's StatefulSet. Takes (dict "root" $ "role" role). */}}
{{- define "tensorflow-job.setName" -}}
{{- printf "%s-%s" (include "tensorflow-job.fullname" .root) .role -}}
{{- end -}}

{{/* A task's pod, as its StatefulSet will name it. Takes (dict "root" $ "role" role "index" index). */}}
{{- define "tensorflow-job.podName" -}}
{{- printf "%s-%d" (include "tensorflow-job.setName" .) (int .index) -}}
{{- end -}}

{{/* The ConfigMap with job.json. */}}
{{- define "tensorflow-job.jobConfigName" -}}
{{- printf "%s-job" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap with files/task, the code in every training pod. */}}
{{- define "tensorflow-job.taskCodeName" -}}
{{- printf "%s-task" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The lifecycle's ServiceAccount, Role, RoleBinding and NetworkPolicy. */}}
{{- define "tensorflow-job.lifecycleName" -}}
{{- printf "%s-lifecycle" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/*
The lifecycle Job; the names of the ConfigMaps with its code start so. A Job's template is immutable, so its name has a hash of
all that the lifecycle runs with: when that changes, Helm makes a new Job, which takes over the run, and removes the old one.
`suspend` is part of it, because resuming gives every set one pod (Kubernetes' default), and a lifecycle must be there to remove
it when the run has ended long ago.
*/}}
{{- define "tensorflow-job.lifecycleJobName" -}}
{{- $pod := include "tensorflow-job.lifecyclePod" (dict "root" . "jobName" "") -}}
{{- $all := list $pod (include "tensorflow-job.jobSpec" .) (include "tensorflow-job.code" (dict "root" . "program" "task"))
      (include "tensorflow-job.code" (dict "root" . "program" "lifecycle")) (toString .Values.suspend) -}}
{{- printf "%s-%s" (include "tensorflow-job.lifecycleName" .) (join "\n" $all | sha256sum | trunc 8) -}}
{{- end -}}

{{/* The PodGroup. Kubernetes' own is of one run: pods of another run must not count for it. */}}
{{- define "tensorflow-job.podGroupName" -}}
{{- $name := include "tensorflow-job.fullname" . -}}
{{- ternary (printf "%s-%s" $name (include "tensorflow-job.runId" .)) $name (eq (include "tensorflow-job.gang" .) "true") -}}
{{- end -}}

{{/* The service account of the lifecycle Job. */}}
{{- define "tensorflow-job.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "tensorflow-job.lifecycleName" .) -}}
{{- end -}}

{{/* The ConfigMap with status.json. */}}
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

{{/* The Deployment, Service, Ingress and NetworkPolicy of TensorBoard. */}}
{{- define "tensorflow-job.tensorboardName" -}}
{{- printf "%s-tensorboard" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* The ConfigMap with the Grafana dashboard. */}}
{{- define "tensorflow-job.dashboardName" -}}
{{- printf "%s-dashboard" (include "tensorflow-job.fullname" .) -}}
{{- end -}}

{{/* Labels that identify the job's objects and pods; the same in every version of the chart. */}}
{{- define "tensorflow-job.jobLabels" -}}
app.kubernetes.io/name: tensorflow-job
app.kubernetes.io/instance: {{ .Release.Name | quote }}
tensorflow-job/job: {{ include "tensorflow-job.fullname" . | quote }}
{{- end -}}

{{/* Labels of the objects that Helm makes. Takes (dict "root" $ "component" training|lifecycle|tensorboard). */}}
{{- define "tensorflow-job.labels" -}}
{{ include "tensorflow-job.jobLabels" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end -}}

{{/* Labels of pods: no versions, so that a new chart alone makes no new revision. Takes (dict "root" $ "component" …). */}}
{{- define "tensorflow-job.podLabels" -}}
{{ include "tensorflow-job.jobLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The pods of a component, as a selector. Takes (dict "root" $ "component" …). */}}
{{- define "tensorflow-job.componentSelector" -}}
tensorflow-job/job: {{ include "tensorflow-job.fullname" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The pods of a role, as a selector. Takes (dict "root" $ "role" role). */}}
{{- define "tensorflow-job.setSelector" -}}
tensorflow-job/job: {{ include "tensorflow-job.fullname" .root | quote }}
{{ include "tensorflow-job.roleLabel" . }}
{{- end -}}

{{/* The label of what belongs to one role. Takes (dict "role" role). */}}
{{- define "tensorflow-job.roleLabel" -}}
tensorflow-job/role: {{ .role }}
{{- end -}}

{{/* The run, as the label of pods and the annotation of the status. */}}
{{- define "tensorflow-job.runLabel" -}}
tensorflow-job/run-id: {{ include "tensorflow-job.runId" . | quote }}
{{- end -}}
