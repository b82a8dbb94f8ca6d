{{/* Roles: which there are, how many tasks each has, and their settings. Results are JSON: read them as their comment says. */}}

{{/* The names of all roles, in order. Read with fromJsonArray. */}}
{{- define "tensorflow-job.roleNames" -}}
["chief","worker","ps","evaluator"]
{{- end -}}

{{/* The strategy's entry of files/strategies.json. Read with fromJson. */}}
{{- define "tensorflow-job.strategy" -}}
{{- index (.Files.Get "files/strategies.json" | fromJson) .Values.strategy | toJson -}}
{{- end -}}

{{/* Role -> number of tasks, for all roles. Read with fromJson. */}}
{{- define "tensorflow-job.replicas" -}}
{{- $strategy := include "tensorflow-job.strategy" . | fromJson -}}
{{- $replicas := dict -}}
{{- range $role := include "tensorflow-job.roleNames" . | fromJsonArray -}}
{{-   $given := (index $.Values $role | default dict).replicas -}}
{{-   if kindIs "invalid" $given -}}
{{-     $given = index $strategy $role | default 0 -}}
{{-   end -}}
{{-   $_ := set $replicas $role (int $given) -}}
{{- end -}}
{{- toJson $replicas -}}
{{- end -}}

{{/* The roles that have tasks, in order. Read with fromJsonArray. */}}
{{- define "tensorflow-job.roles" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- $roles := list -}}
{{- range $role := include "tensorflow-job.roleNames" . | fromJsonArray -}}
{{-   if index $replicas $role -}}
{{-     $roles = append $roles $role -}}
{{-   end -}}
{{- end -}}
{{- toJson $roles -}}
{{- end -}}

{{/* Number of tasks of the job: what a gang scheduler has to find room for at once. Also for the user's extraObjects. */}}
{{- define "tensorflow-job.tasks" -}}
{{- $tasks := 0 -}}
{{- range $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{-   $tasks = add $tasks $replicas -}}
{{- end -}}
{{- $tasks -}}
{{- end -}}

{{/* What decides success: Chief, Worker0 or AllWorkers. */}}
{{- define "tensorflow-job.successPolicy" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- .Values.completion.successPolicy | default (ternary "Chief" "Worker0" (gt (int $replicas.chief) 0)) -}}
{{- end -}}

{{/*
The settings of a role's pods: those at the top of the values, overridden by the role's own. Some merge key by key, where null
removes a key; podSpec and container are laid over each other; the others are replaced as a whole. A role's text of env that
refers to its own name means the one at the top. Takes (dict "root" $ "role" role). Read with fromJson.
*/}}
{{- define "tensorflow-job.settings" -}}
{{- $merged := list "image" "env" "nodeSelector" "podLabels" "podAnnotations" -}}
{{- $replaced := list "envFrom" "python" "pythonFrom" "gpuResource" "resources" "tolerations" "affinity" "topologySpreadConstraints"
      "priorityClassName" "runtimeClassName" "schedulerName" "podSecurityContext" "securityContext" "initContainers"
      "extraContainers" "extraVolumes" "extraVolumeMounts" "shmSize" "terminationGracePeriodSeconds"
      "unreachableTolerationSeconds" -}}
{{- $overlaid := list "podSpec" "container" -}}
{{- $top := .root.Values -}}
{{- $own := index $top .role | default dict -}}
{{- $settings := dict "gpus" (int $own.gpus) -}}
{{- range $key := $replaced -}}
{{-   $_ := set $settings $key (ternary (index $own $key) (index $top $key) (hasKey $own $key)) -}}
{{- end -}}
{{- range $key := $merged -}}
{{-   $result := dict -}}
{{-   range $values := list (index $top $key) (index $own $key) -}}
{{-     range $name, $value := $values -}}
{{-       if kindIs "invalid" $value -}}
{{-         $result = omit $result $name -}}
{{-       else -}}
{{-         $earlier := index $result $name -}}
{{-         if and (eq $key "env") (kindIs "string" $value) (kindIs "string" $earlier) -}}
{{-           $value = $value | replace "$$" "\u0001" | replace (printf "$(%s)" $name) $earlier | replace "\u0001" "$$" -}}
{{-         end -}}
{{-         $_ := set $result $name $value -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{-   $_ := set $settings $key $result -}}
{{- end -}}
{{- range $key := $overlaid -}}
{{-   $arguments := dict "base" (index $top $key) "over" (index $own $key | default dict) -}}
{{-   $_ := set $settings $key (include "tensorflow-job.overlay" $arguments | fromJson) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/*
A role's program: command, args and workingDir, its own or that of all roles. The args of all roles are not for a command of
its own. Takes (dict "root" $ "role" role). Read with fromJson.
*/}}
{{- define "tensorflow-job.program" -}}
{{- $own := (index .root.Values .role | default dict).program | default dict -}}
{{- $program := dict -}}
{{- range $key := list "command" "args" "workingDir" -}}
{{-   $_ := set $program $key (index $own $key | default (index $.root.Values.program $key)) -}}
{{- end -}}
{{- if or $own.command (not (kindIs "invalid" $own.args)) -}}
{{-   $_ := set $program "args" ($own.args | default list) -}}
{{- end -}}
{{- toJson $program -}}
{{- end -}}
