{{/* job.json: all that training pods and the lifecycle know about the job. Its type is JobSpec in files/task/contracts.py. */}}
{{- define "tensorflow-job.jobSpec" -}}
{{- $fullname := include "tensorflow-job.fullname" . -}}
{{- $strategy := include "tensorflow-job.strategy" . | fromJson -}}
{{- $all := include "tensorflow-job.replicas" . | fromJson -}}
{{- $replicas := dict -}}
{{- $servers := list -}}
{{- $gpus := dict -}}
{{- $devices := list -}}
{{- $env := dict -}}
{{- $common := dict "command" (.Values.program.command | default list) "args" (.Values.program.args | default list) -}}
{{- $programs := dict -}}
{{- $progress := .Values.progress | default dict -}}{{/* a release that was installed before has none */}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $_ := set $replicas $role (int (index $all $role)) -}}
{{-   if has $role $strategy.server -}}
{{-     $servers = append $servers $role -}}
{{-   end -}}
{{-   $program := include "tensorflow-job.program" (dict "root" $ "role" $role) | fromJson -}}
{{-   $program = dict "command" ($program.command | default list) "args" ($program.args | default list) -}}
{{-   if ne (toJson $program) (toJson $common) -}}
{{-     $_ := set $programs $role $program -}}
{{-   end -}}
{{-   with int (index $.Values $role).gpus -}}
{{-     $_ := set $gpus $role . -}}
{{-   end -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   if include "tensorflow-job.asksForDevices" (dict "settings" $settings) -}}
{{-     $devices = append $devices $role -}}
{{-   end -}}
{{-   with include "tensorflow-job.deferredEnv" (dict "settings" $settings) | fromJson -}}
{{-     $_ := set $env $role . -}}
{{-   end -}}
{{- end -}}
{{- dict
      "name" $fullname
      "service" $fullname
      "port" (include "tensorflow-job.port" "tensorflow" | int)
      "runId" (include "tensorflow-job.runId" .)
      "strategy" .Values.strategy
      "replicas" $replicas
      "servers" $servers
      "program" $common
      "programs" $programs
      "env" $env
      "serverImports" (.Values.server.imports | default list)
      "gpus" $gpus
      "devices" $devices
      "gang" (eq (include "tensorflow-job.gang" .) "true")
      "checkpointDir" (include "tensorflow-job.checkpointDir" .)
      "checkpointClaim" (include "tensorflow-job.claimName" .)
      "completion" (dict
        "successPolicy" (include "tensorflow-job.successPolicy" .)
        "evaluatorGraceSeconds" (int64 .Values.completion.evaluatorGraceSeconds))
      "restart" (dict
        "policy" .Values.restart.policy
        "alwaysRoles" (.Values.restart.alwaysRoles | default list)
        "backoffLimit" (int64 .Values.restart.backoffLimit)
        "repeatLimit" .Values.restart.repeatLimit
        "retryableExitCodes" .Values.restart.retryableExitCodes
        "uncountedExitCodes" (.Values.restart.uncountedExitCodes | default list)
        "nodeLoss" .Values.restart.nodeLoss
        "nodeLossGraceSeconds" (int64 .Values.restart.nodeLossGraceSeconds))
      "deadlines" (dict
        "activeSeconds" .Values.deadlines.activeSeconds
        "startSeconds" .Values.deadlines.startSeconds
        "unstartableSeconds" .Values.deadlines.unstartableSeconds
        "stallSeconds" .Values.deadlines.stallSeconds
        "countQueuedTime" (eq (toString .Values.deadlines.countQueuedTime) "true"))
      "progress" (dict
        "sources" (ternary (list "output" "tensorboard" "checkpoints") $progress.sources (kindIs "invalid" $progress.sources))
        "pattern" ($progress.pattern | default ""))
      "logs" (ternary (pick .Values.logs "maxBytes" "files") nil (eq (toString .Values.logs.persist) "true"))
      "cleanup" (dict "onSuccess" .Values.cleanup.onSuccess "onFailure" .Values.cleanup.onFailure)
      "record" (include "tensorflow-job.record" . | fromJson)
    | toJson -}}
{{- end -}}
