{{/* Gang scheduling by Kubernetes' own scheduler: the PodGroup of scheduling.k8s.io. */}}

{{/* "true" where the values ask for it. */}}
{{- define "tensorflow-job.gang" -}}
{{- eq (toString (.Values.podGroup | default dict).scheduler) "Kubernetes" -}}
{{- end -}}

{{/* role -> its pods' own "priorityClassName" or "schedulerName". Takes (dict "root" $ "field" field). Read with fromJson. */}}
{{- define "tensorflow-job.gangField" -}}
{{- $values := dict -}}
{{- range $role := include "tensorflow-job.roles" .root | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $.root "role" $role) | fromJson -}}
{{-   $podSpec := $settings.podSpec | default dict -}}
{{-   $_ := set $values $role (index $podSpec $.field | default (index $settings $.field) | default "") -}}
{{- end -}}
{{- toJson $values -}}
{{- end -}}

{{/* The priority class of all pods, which is the PodGroup's: the scheduler takes no other. */}}
{{- define "tensorflow-job.gangPriorityClass" -}}
{{- include "tensorflow-job.gangField" (dict "root" . "field" "priorityClassName") | fromJson | values | first -}}
{{- end -}}

{{/* kube-scheduler refuses a group whose pods differ. tfconfig/checking/rules/gang.py has the same. */}}
{{- define "tensorflow-job.validate.gang" -}}
{{- if eq (include "tensorflow-job.gang" .) "true" -}}
{{-   range $field := list "priorityClassName" "schedulerName" -}}
{{-     $texts := list -}}
{{-     $different := list -}}
{{-     range $role, $value := include "tensorflow-job.gangField" (dict "root" $ "field" $field) | fromJson -}}
{{-       $texts = append $texts (printf "%s %s" $role ($value | default "none")) -}}
{{-       $different = append $different $value | uniq -}}
{{-     end -}}
{{-     if gt (len $different) 1 }}
podGroup.scheduler: Kubernetes starts the pods of a group together only with the same {{ $field }}, but there are {{ join ", " $texts }}; set {{ $field }} for all roles at the top level
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- end -}}
