{{/*
What the record of a run keeps of its settings beside what job.json says already: the number of the run, the images, and a
mark of each other setting of which a change starts a new run, so that it can be named. Two digits of a hash: enough to see
that a text changed, and too few to find it by, should it be a secret. Read with fromJson.
*/}}
{{- define "tensorflow-job.record" -}}
{{- $images := dict -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   $_ := set $images $role (include "tensorflow-job.image" (dict "image" $settings.image "defaultTag" $.Chart.AppVersion)) -}}
{{- end -}}
{{- $all := include "tensorflow-job.runSettings" . | fromJson -}}
{{- $named := omit $all "strategy" "run" -}}{{/* by other means; as are images, commands and arguments */}}
{{- range $owner, $settings := $all -}}
{{-   if has $owner (prepend (include "tensorflow-job.roleNames" $ | fromJsonArray) "job") -}}
{{-     $_ := unset $named $owner -}}
{{-     $parts := dict "" (omit $settings "image" "replicas" "gpus" "program") "program." (omit $settings.program "command" "args") -}}
{{-     range $prefix, $part := $parts -}}
{{-       range $key, $value := $part -}}
{{-         $_ := set $named (trimPrefix "job." (printf "%s.%s%s" $owner $prefix $key)) $value -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- $marks := dict -}}
{{- range $name, $value := $named -}}
{{-   $parts := dict $name $value -}}
{{-   if and (kindIs "map" $value) (has (splitList "." $name | last) (list "env" "files" "data" "checkpoint" "server")) -}}
{{-     $parts = dict -}}
{{-     range $key, $one := $value -}}
{{-       $_ := set $parts (printf "%s.%s" $name $key) $one -}}
{{-     end -}}
{{-   end -}}
{{-   range $key, $part := $parts -}}
{{-     with include "tensorflow-job.withoutEmpty" $part -}}
{{-       $_ := set $marks $key (sha256sum . | trunc 2) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- dict "run" (int64 .Values.run) "images" $images "marks" $marks | toJson -}}
{{- end -}}
