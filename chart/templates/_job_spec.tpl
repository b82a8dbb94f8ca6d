{{/*
The run id: the same id is the same run, which is never repeated. It is a hash of the values that reach the training pods,
without empty ones, so that a later chart that adds an empty default starts no new run.
*/}}
{{- define "tensorflow-job.runId" -}}
{{- $values := omit .Values "restart" "completion" "deadlines" "cleanup" "suspend" "lifecycle" "serviceAccount" "networkPolicy"
      "logs" "metrics" "tensorboard" "extraObjects" "global" "enabled" -}}
{{- $checkpoint := pick .Values.checkpoint "enabled" "mountPath" "directory" "existingClaim" -}}
{{- $values = merge (dict "checkpoint" $checkpoint) (omit $values "checkpoint") -}}
{{- include "tensorflow-job.withoutEmpty" $values | sha256sum | trunc 10 -}}
{{- end -}}

{{/* Canonical JSON of any value; maps lose their empty entries (null, "", {}, []). Nothing at all for an empty value. */}}
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

{{/* What decides success, resolved: Chief, Worker0 or AllWorkers. */}}
{{- define "tensorflow-job.successPolicy" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- .Values.completion.successPolicy | default (ternary "Chief" "Worker0" (gt (int $replicas.chief) 0)) -}}
{{- end -}}

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

{{/* A folder of the checkpoint volume; the job's own where none is named. Takes (dict "root" $ "directory" text). */}}
{{- define "tensorflow-job.folder" -}}
{{- $directory := .directory | default (include "tensorflow-job.fullname" .root) -}}
{{- printf "%s/%s" (trimSuffix "/" .root.Values.checkpoint.mountPath) $directory -}}
{{- end -}}

{{/* job.json: all that pods and the lifecycle know about the job. */}}
{{- define "tensorflow-job.jobSpec" -}}
{{- $fullname := include "tensorflow-job.fullname" . -}}
{{- $strategy := include "tensorflow-job.strategy" . | fromJson -}}
{{- $all := include "tensorflow-job.replicas" . | fromJson -}}
{{- $replicas := dict -}}
{{- $servers := list -}}
{{- $gpus := dict -}}
{{- range $role := (include "tensorflow-job.roles" . | fromJson).roles -}}
{{-   $_ := set $replicas $role (int (index $all $role)) -}}
{{-   if has $role $strategy.server -}}
{{-     $servers = append $servers $role -}}
{{-   end -}}
{{-   with int (index $.Values $role).gpus -}}
{{-     $_ := set $gpus $role . -}}
{{-   end -}}
{{- end -}}
{{- dict
      "name" $fullname
      "service" $fullname
      "port" 2222
      "runId" (include "tensorflow-job.runId" .)
      "strategy" .Values.strategy
      "replicas" $replicas
      "servers" $servers
      "program" (dict "command" .Values.program.command "args" (.Values.program.args | default list))
      "serverImports" (.Values.server.imports | default list)
      "gpus" $gpus
      "checkpointDir" (include "tensorflow-job.checkpointDir" .)
      "checkpointClaim" (include "tensorflow-job.claimName" .)
      "completion" (dict
        "successPolicy" (include "tensorflow-job.successPolicy" .)
        "evaluatorGraceSeconds" (int64 .Values.completion.evaluatorGraceSeconds))
      "restart" (dict
        "policy" .Values.restart.policy
        "backoffLimit" (int64 .Values.restart.backoffLimit)
        "retryableExitCodes" .Values.restart.retryableExitCodes
        "uncountedExitCodes" (.Values.restart.uncountedExitCodes | default list)
        "nodeLoss" .Values.restart.nodeLoss
        "nodeLossGraceSeconds" (int64 .Values.restart.nodeLossGraceSeconds))
      "deadlines" (dict
        "activeSeconds" .Values.deadlines.activeSeconds
        "startSeconds" .Values.deadlines.startSeconds
        "unstartableSeconds" .Values.deadlines.unstartableSeconds
        "stallSeconds" .Values.deadlines.stallSeconds)
      "logs" (ternary (pick .Values.logs "maxBytes" "files") nil (eq (toString .Values.logs.persist) "true"))
      "cleanup" (dict "onSuccess" .Values.cleanup.onSuccess "onFailure" .Values.cleanup.onFailure)
    | toJson -}}
{{- end -}}
