{{/*
Whether a role's `resources` ask for a device beside `gpus`: a share of a GPU, an accelerator, a DRA claim. Its program must see
what it was given. What is only network or memory does not count. Takes (dict "settings" settings); true, or nothing.
*/}}
{{- define "tensorflow-job.asksForDevices" -}}
{{- $resources := .settings.resources | default dict -}}
{{- $found := not (empty $resources.claims) -}}
{{- range $kind := list "limits" "requests" -}}
{{-   range $name, $amount := index $resources $kind -}}
{{-     if and (contains "/" $name) (not (regexMatch "(?i)rdma|sriov|hugepages" $name)) (ne (toString $amount) "0") -}}
{{-       $found = true -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- if $found }}true{{ end -}}
{{- end -}}
