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

{{/* The priority class of all pods, which is the PodGroup's: schedulers take no other. Where the pods differ, the job's. */}}
{{- define "tensorflow-job.gangPriorityClass" -}}
{{- $classes := include "tensorflow-job.gangField" (dict "root" . "field" "priorityClassName") | fromJson | values | uniq -}}
{{- eq (len $classes) 1 | ternary (first $classes) (.Values.priorityClassName | default "") -}}
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

{{/* How other schedulers find the pods of a group: scheduler -> [setting, key]. tfconfig/checking/rules/gang.py has the same. */}}
{{- define "tensorflow-job.groupKeys" -}}
{{- toJson (dict "Volcano" (list "podAnnotations" "scheduling.k8s.io/group-name") "Coscheduling" (list "podLabels" "scheduling.x-k8s.io/pod-group")) -}}
{{- end -}}

{{/* The pods name the PodGroup that is made for them, and none of another scheduler. */}}
{{- define "tensorflow-job.validate.group" -}}
{{- with (.Values.podGroup | default dict).scheduler -}}
{{-   range $scheduler, $at := include "tensorflow-job.groupKeys" $ | fromJson -}}
{{-     $with := list -}}
{{-     $without := list -}}
{{-     range $role := include "tensorflow-job.roles" $ | fromJsonArray | sortAlpha -}}
{{-       $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-       if index (index $settings (first $at) | default dict) (last $at) -}}
{{-         $with = append $with $role -}}
{{-       else -}}
{{-         $without = append $without $role -}}
{{-       end -}}
{{-     end -}}
{{-     if and (eq $.Values.podGroup.scheduler $scheduler) $without }}
podGroup.scheduler: {{ $scheduler }} finds the pods of a group by {{ first $at }}.{{ last $at }}, which those of {{ join ", " $without }} have not, so they would start one by one; set {{ first $at }}: {"{{ last $at }}": $(JOB)} for all roles, as the overlay for {{ $scheduler }} does
{{-     else if and (ne $.Values.podGroup.scheduler $scheduler) $with }}
podGroup.scheduler: {{ $.Values.podGroup.scheduler }}, but {{ first $at }}.{{ last $at }} of {{ join ", " $with }} names a group of {{ $scheduler }}, which nothing creates; keep the overlay of one scheduler
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- end -}}
