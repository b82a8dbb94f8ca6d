{{/* Values as they take effect. Results are JSON: read them with fromJson. */}}

{{- define "tensorflow-job.strategy" -}}
{{- index (.Files.Get "files/strategies.json" | fromJson) .Values.strategy | toJson -}}
{{- end -}}

{{/* Role -> number of tasks, for all four roles. */}}
{{- define "tensorflow-job.replicas" -}}
{{- $strategy := include "tensorflow-job.strategy" . | fromJson -}}
{{- $replicas := dict -}}
{{- range $role := list "chief" "worker" "ps" "evaluator" -}}
{{-   $given := (index $.Values $role | default dict).replicas -}}
{{-   if kindIs "invalid" $given -}}
{{-     $given = index $strategy $role | default 0 -}}
{{-   end -}}
{{-   $_ := set $replicas $role (int $given) -}}
{{- end -}}
{{- toJson $replicas -}}
{{- end -}}

{{/* Number of tasks of the job: what a gang scheduler has to find room for at once. */}}
{{- define "tensorflow-job.tasks" -}}
{{- $tasks := 0 -}}
{{- range $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{-   $tasks = add $tasks $replicas -}}
{{- end -}}
{{- $tasks -}}
{{- end -}}

{{/*
Labels or annotations of pods with $(JOB), $(RUN_ID) and $(TASKS) replaced, so that an overlay for any job can name the group of
a scheduler. Takes (dict "root" $ "texts" map).
*/}}
{{- define "tensorflow-job.named" -}}
{{- $job := include "tensorflow-job.fullname" .root -}}
{{- $run := include "tensorflow-job.runId" .root -}}
{{- $tasks := include "tensorflow-job.tasks" .root -}}
{{- $texts := dict -}}
{{- range $name, $text := .texts -}}
{{-   $_ := set $texts $name ($text | replace "$(JOB)" $job | replace "$(RUN_ID)" $run | replace "$(TASKS)" $tasks) -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end -}}

{{/* The roles that have tasks, in order: {"roles": […]}. */}}
{{- define "tensorflow-job.roles" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- $roles := list -}}
{{- range $role := list "chief" "worker" "ps" "evaluator" -}}
{{-   if index $replicas $role -}}
{{-     $roles = append $roles $role -}}
{{-   end -}}
{{- end -}}
{{- dict "roles" $roles | toJson -}}
{{- end -}}

{{/*
The settings of a role's pods: those at the top, overridden by the role's own. Some merge key by key, with null removing a
key; the others are replaced as a whole. Takes (dict "root" $ "role" role).
*/}}
{{- define "tensorflow-job.settings" -}}
{{- $merged := list "image" "env" "nodeSelector" "podLabels" "podAnnotations" -}}
{{- $replaced := list "envFrom" "python" "gpuResource" "resources" "tolerations" "affinity" "topologySpreadConstraints"
      "priorityClassName" "runtimeClassName" "schedulerName" "podSecurityContext" "securityContext" "initContainers"
      "extraContainers" "extraVolumes" "extraVolumeMounts" "shmSize" "terminationGracePeriodSeconds"
      "unreachableTolerationSeconds" -}}
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
{{-         $_ := set $result $name $value -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{-   $_ := set $settings $key $result -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* program.files without those that an overlay removed with null. */}}
{{- define "tensorflow-job.programFiles" -}}
{{- $files := dict -}}
{{- range $name, $text := .Values.program.files -}}
{{-   if not (kindIs "invalid" $text) -}}
{{-     $_ := set $files $name $text -}}
{{-   end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* data without the volumes that an overlay removed with null. */}}
{{- define "tensorflow-job.data" -}}
{{- $data := dict -}}
{{- range $name, $volume := .Values.data -}}
{{-   if $volume -}}
{{-     $_ := set $data $name $volume -}}
{{-   end -}}
{{- end -}}
{{- toJson $data -}}
{{- end -}}

{{/* An image reference. Takes (dict "image" image "defaultTag" tag). */}}
{{- define "tensorflow-job.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.tag -}}
:{{ .image.tag }}
{{- else if not .image.digest -}}
:{{ .defaultTag }}
{{- end -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}
